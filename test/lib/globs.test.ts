import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileGlob, compileGlobs } from '../../src/lib/globs.ts'

const cases: readonly (readonly [string, string, readonly string[], readonly string[]])[] = [
  ['a text without wildcards fits itself', 'library/nginx', ['library/nginx'], ['library/nginx2', 'x/library/nginx', 'library/Nginx', '']],
  ['a star stays within its component', 'grafana/*', ['grafana/loki', 'grafana/'], ['grafana/a/b', 'grafana', 'x/grafana/loki']],
  ['a star may stand inside of a component', 'team-*/app', ['team-1/app', 'team-/app'], ['team-1/x/app', 'team/app']],
  ['two stars cross components', 'ghcr.io/**', ['ghcr.io/a', 'ghcr.io/a/b/c'], ['ghcr.io', 'ghcr.iox/a', 'x/ghcr.io/a']],
  ['two stars in front fit any depth, also none', '**/nginx', ['nginx', 'a/nginx', 'a/b/nginx'], ['a/xnginx', 'nginx/a']],
  ['two stars between components may be nothing', 'a/**/b', ['a/b', 'a/x/b', 'a/x/y/b'], ['ab', 'a/xb', 'a/b/c']],
  ['two stars inside of a component cross it', 'a**b', ['ab', 'a/x/b', 'axb'], ['a', 'b']],
  ['more than two stars are two', '***/x', ['x', 'a/b/x'], ['a/bx']],
  ['two stars alone fit everything', '**', ['', 'a', 'a/b'], []],
  ['a question mark is one character, no slash', 'v?', ['v1', 'vx'], ['v', 'v12', 'v/']],
  ['dots, brackets and the like stand for themselves', 'a.b+[c]$(d)|^{e}', ['a.b+[c]$(d)|^{e}'], ['axb+[c]$(d)|^{e}', 'a.bb']],
  ['a backslash stands for itself', 'a\\d', ['a\\d'], ['a1', 'ad']],
  ['a tag is a text like any other', 'library/*:latest', ['library/nginx:latest'], ['library/nginx:1', 'library/a/b:latest']],
  ['line breaks are characters', 'a**z', ['a\nz'], []],
]
for (const [sentence, pattern, fitting, others] of cases) {
  test(sentence, () => {
    const fits = compileGlob(pattern)
    assert.deepEqual(
      fitting.filter((text) => !fits(text)),
      [],
      'these should fit',
    )
    assert.deepEqual(others.filter(fits), [], 'these should not fit')
  })
}

test('one of several patterns is enough, and no patterns fit nothing', () => {
  assert.equal(compileGlobs(['a', 'b/*'])('b/c'), true)
  assert.equal(compileGlobs(['a', 'b/*'])('c'), false)
  assert.equal(compileGlobs([])(''), false)
})

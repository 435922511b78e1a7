// Further upstreams, their mirrors, and what may be pulled: what is understood, and what is told about mistakes.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { ConfigError, loadConfig } from '../../src/config/load.ts'
import type { Loaded } from '../../src/config/load.ts'

function load(proxy: string): Loaded {
  const text = `version: 0.1\nstorage: inmemory\nproxy:\n  remoteurl: https://registry-1.docker.io\n${proxy}`
  return loadConfig({ text, file: 'c.yml', env: {} })
}

function problemsOf(proxy: string): string[] {
  try {
    load(proxy)
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    return error.problems.map(({ where, path, message }) => `${where} ${path}: ${message}`)
  }
  return assert.fail('it was accepted')
}

const warningsOf = (proxy: string): string[] =>
  load(proxy).warnings.map(({ kind, where, path, message }) => `${kind} ${where} ${path}: ${message}`)

test('everything at once, without a word about it', () => {
  const { config, warnings } = load(`
  offline: true
  mirrors: https://m.example.com
  upstreams:
    ghcr.io: {username: u, password: p}
    localhost:5000: {remoteurl: "http://localhost:5000", mirrors: ["https://a.b", {remoteurl: "https://c.d", ca: /ca.pem}]}
    "*": {allow: ["*.example.com"], ca: /ca.pem}
  repositories: {allow: ["library/*", ghcr.io/**], deny: "**/secret"}
`)
  assert.deepEqual(warnings, [])
  const { proxy } = config
  assert.equal(proxy?.offline, true)
  assert.deepEqual(
    proxy?.mirrors.map(({ remoteurl }) => remoteurl),
    ['https://m.example.com'],
  )
  assert.deepEqual(Object.keys(proxy?.upstreams ?? {}), ['ghcr.io', 'localhost:5000', '*'])
  assert.deepEqual(
    proxy?.upstreams['localhost:5000']?.mirrors.map(({ remoteurl, ca }) => [remoteurl, ca]),
    [
      ['https://a.b', undefined],
      ['https://c.d', '/ca.pem'],
    ],
  )
  assert.deepEqual(proxy?.repositories, { allow: ['library/*', 'ghcr.io/**'], deny: ['**/secret'] })
})

const errors: readonly (readonly [string, string, RegExp])[] = [
  [
    'a URL for a host',
    'upstreams: {"https://ghcr.io": {}}',
    /c.yml:5:\d+ proxy.upstreams.https:\/\/ghcr.io: found "https:\/\/ghcr.io" \(write ghcr.io\); allowed: a host/,
  ],
  ['a secret in it is not shown', 'upstreams: {"https://u:sesame@ghcr.io": {}}', /found "ghcr.io" \(write ghcr.io\)/],
  [
    'a user’s name for a host',
    'upstreams: {ghcr: {}}',
    /found "ghcr"; allowed: a host as it stands before images, such as ghcr.io or localhost:5000, or '\*'/,
  ],
  ['a path behind the host', 'upstreams: {ghcr.io/org: {}}', /found "ghcr.io\/org"; allowed: a host/],
  ['an underscore', 'upstreams: {my_host.corp: {}}', /found "my_host.corp"; allowed: a host/],
  ['the main upstream again', 'upstreams: {docker.io: {}}', /proxy.upstreams.docker.io: docker.io is given twice/],
  ['a host in two spellings', 'upstreams: {ghcr.io: {}, GHCR.io: {}}', /proxy.upstreams.GHCR.io: ghcr.io is given twice/],
  [
    'a URL without a scheme',
    'upstreams: {ghcr.io: {remoteurl: ghcr.io}}',
    /upstreams.ghcr.io.remoteurl: found "ghcr.io" \(write https:\/\/ghcr.io\)/,
  ],
  [
    'a URL with a query',
    'upstreams: {ghcr.io: {remoteurl: "https://ghcr.io?a=b"}}',
    /upstreams.ghcr.io.remoteurl: .*allowed: a URL without \? and #/,
  ],
  ['a mirror without a URL', 'upstreams: {ghcr.io: {mirrors: [{username: u}]}}', /proxy.upstreams.ghcr.io.mirrors\[0\].remoteurl: missing/],
  ['a mirror of the main one without a URL', 'mirrors: [{ca: /ca.pem}]', /proxy.mirrors\[0\].remoteurl: missing/],
  ['a mirror that is no URL', 'mirrors: [mirror.example.com]', /proxy.mirrors\[0\].remoteurl: found "mirror.example.com" \(write https:/],
  ['credentials for any host', 'upstreams: {"*": {allow: [a.b], username: u, password: p}}', /\*.username: cannot be given for '\*'/],
  ['a URL for any host', 'upstreams: {"*": {allow: [a.b], remoteurl: "https://a.b"}}', /\*.remoteurl: cannot be given for '\*'/],
  ['mirrors for any host', 'upstreams: {"*": {allow: [a.b], mirrors: "https://a.b"}}', /\*.mirrors: cannot be given for '\*'/],
]
for (const [sentence, line, expected] of errors) {
  test(`${sentence} stops the start`, () => {
    const problems = problemsOf(`  ${line}`)
    assert.match(problems.join('\n'), expected)
    assert.doesNotMatch(problems.join('\n'), /sesame/)
  })
}

const odd: readonly (readonly [string, string, RegExp | undefined])[] = [
  ['any host without a list', 'upstreams: {"*": {ca: /x}}', /odd .*proxy.upstreams.\*: without allow no host is asked on demand/],
  ['any public host', 'upstreams: {"*": {allow: ["*"]}}', /allow\[0\]: whoever reaches the port can make the mirror ask any public host/],
  ['a pattern of hosts with a path', 'upstreams: {"*": {allow: [ghcr.io/org]}}', /allow\[0\]: no host fits "ghcr.io\/org"/],
  ['a list of hosts of a single one', 'upstreams: {ghcr.io: {allow: ["*"]}}', /proxy.upstreams.ghcr.io.allow: has no effect here/],
  [
    'a password without a user',
    'upstreams: {ghcr.io: {password: p}}',
    /ghcr.io.password: has no effect without proxy.upstreams.ghcr.io.username/,
  ],
  [
    'any certificate of a mirror',
    'mirrors: [{remoteurl: "https://m", insecure: true}]',
    /proxy.mirrors\[0\].insecure: any certificate .*proxy.mirrors\[0\].ca/,
  ],
  [
    'a tag in a pattern',
    'repositories: {deny: ["nginx:latest"]}',
    /proxy.repositories.deny\[0\]: fits nothing: patterns are about repositories/,
  ],
  ['a digest in a pattern', 'repositories: {allow: ["library/nginx@sha256:*"]}', /proxy.repositories.allow\[0\]: fits nothing/],
  ['a host alone', 'repositories: {deny: [ghcr.io]}', /deny\[0\]: fits no repository; did you mean ghcr.io\/\*\*\?/],
  ['a URL as a pattern', 'repositories: {deny: ["https://ghcr.io/**"]}', /deny\[0\]: fits nothing: write the host without https:/],
  ['a host with a port', 'repositories: {deny: ["reg.corp:5000/**"]}', undefined],
  ['a mirror by its URL alone', 'mirrors: ["https://m"]', undefined],
]
for (const [sentence, line, expected] of odd) {
  test(`${sentence} is ${expected === undefined ? 'fine' : 'told'}`, () => {
    const warnings = warningsOf(`  ${line}`)
    if (expected === undefined) assert.deepEqual(warnings, [])
    else assert.match(warnings.join('\n'), expected)
  })
}

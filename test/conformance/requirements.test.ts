// The list of requirements in README.md says the truth about which tests there are.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'

const text = await readFile(new URL('README.md', import.meta.url), 'utf8')
const rows = text.split('\n').filter((line) => /^\| [A-Z]/.test(line))
const sources = new Map<string, Promise<string>>()

/** `pull` is one of this folder, `store/referrers` of another one. */
function sourceOf(name: string): Promise<string> {
  const path = `${name.includes('/') ? `../${name}` : `./${name}`}.test.ts`
  const source = sources.get(path) ?? readFile(new URL(path, import.meta.url), 'utf8')
  sources.set(path, source)
  return source
}

test('each requirement has a test, and each test that is named is there', async () => {
  assert.ok(rows.length > 50, `${rows.length} rows`)
  for (const row of rows) {
    const named = [...row.matchAll(/([a-z/-]+): "([^"]+)"/g)]
    assert.ok(named.length > 0, row)
    for (const [, name = '', title = ''] of named) assert.ok((await sourceOf(name)).includes(title), `${name}: ${title}`)
  }
})

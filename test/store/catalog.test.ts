import assert from 'node:assert/strict'
import { it } from 'node:test'
import { parseRepositoryName } from '../../src/oci/names.ts'
import * as layout from '../../src/store/layout.ts'
import { contentOver, never, openStore, putBlob, putImage } from './example-content.ts'
import { watchedDriver } from './watched-driver.ts'

const names = ['a', 'a/b', 'a/b/c', 'a-b', 'a-b/c', 'b/deep/er', 'b0', 'library/nginx', 'library/nginx-extra'].map(parseRepositoryName)

async function storeWithAll() {
  const store = await openStore('inmemory', { maxCatalogEntries: 5 })
  // Some have manifests, the others layers only, as a pull that broke leaves them.
  for (const [index, name] of names.toReversed().entries()) {
    if (index % 2 === 0) await putImage(store.content, name, 'latest')
    else await putBlob(store.content, name, Buffer.from('layer'))
  }
  return store
}

it('repositories come by path components, as distribution lists them, with layers or manifests alike', async () => {
  await using store = await storeWithAll()
  const content = contentOver(store.driver)
  assert.deepEqual(await content.listRepositories({ n: undefined, last: undefined }, never), { items: names, more: false })
})

it('pages of every size, put together, are the whole', async () => {
  await using store = await storeWithAll()
  for (let n = 1; n <= 6; n += 1) {
    const seen: string[] = []
    for (let more = true; more; ) {
      const page = await store.content.listRepositories({ n, last: seen.at(-1) }, never)
      assert.equal(page.items.length, Math.min(n, 5, names.length - seen.length))
      seen.push(...page.items)
      more = page.more
    }
    assert.deepEqual(seen, names, `pages of ${n}`)
  }
})

it('a `last` that is no repository begins where it would stand', async () => {
  await using store = await storeWithAll()
  const after = async (last: string) => (await store.content.listRepositories({ n: 1, last }, never)).items[0]
  assert.equal(await after('a/a'), 'a/b')
  assert.equal(await after('a/b/d'), 'a-b')
  assert.equal(await after('b'), 'b/deep/er')
  assert.equal(await after('b/deep'), 'b/deep/er')
  assert.equal(await after('b/deep/er/x'), 'b0')
  assert.equal(await after('library'), 'library/nginx')
  assert.equal(await after('zzz'), undefined)
})

it('a page of none is empty and the last', async () => {
  await using store = await storeWithAll()
  assert.deepEqual(await store.content.listRepositories({ n: 0, last: undefined }, never), { items: [], more: false })
})

it('folders of something else are passed over', async () => {
  await using store = await openStore('filesystem')
  for (const path of ['lost+found/x', 'UPPER/lower/UPPER/_layers/x', 'only-uploads/_uploads/x', '.git/_layers/x', 'file']) {
    await store.driver.write(`${layout.repositoriesFolder}/${path}`, Buffer.from('x'))
  }
  await putImage(store.content, parseRepositoryName('real'), 'latest')
  assert.deepEqual((await store.content.listRepositories({ n: undefined, last: undefined }, never)).items, ['real'])
})

it('a page looks only at the folders that it needs', async () => {
  await using store = await storeWithAll()
  const watched = watchedDriver(store.driver)
  await contentOver(watched.driver).listRepositories({ n: 1, last: 'b/deep/er' }, never)
  const lists = watched.calls.filter((call) => call.startsWith('list '))
  const below = lists.map((call) => call.slice(`list ${layout.repositoriesFolder}`.length))
  assert.deepEqual(below, ['', '/b', '/b/deep', '/b/deep/er', '/b0', '/library', '/library/nginx'])
})

it('a walk ends when its reader leaves', async () => {
  await using store = await storeWithAll()
  const reason = new Error('the client left')
  await assert.rejects(store.content.listRepositories({ n: undefined, last: undefined }, AbortSignal.abort(reason)), reason)
})

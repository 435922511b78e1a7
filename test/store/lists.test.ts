// Long lists: what is remembered of a folder is right at once after every change, also by another process.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { parseRepositoryName, parseTag } from '../../src/oci/names.ts'
import * as layout from '../../src/store/layout.ts'
import type { StorageDriver } from '../../src/store/driver.ts'
import { Listings } from '../../src/store/listings.ts'
import { TestClock } from '../support/clock.ts'
import { until } from '../support/until.ts'
import { busybox, contentOver, manifestNamed, never, openStore, putImage } from './example-content.ts'
import { watchedDriver } from './watched-driver.ts'

/** These tests pretend that the folders are old already, so their next change must get another time. */
async function tick(driver: StorageDriver, folder: string): Promise<void> {
  await until('the clock of the disk ticks', async () => {
    await driver.write('/probe', new Uint8Array())
    return ((await driver.stat('/probe'))?.modifiedAt ?? 0) > ((await driver.stat(folder))?.modifiedAt ?? 0)
  })
}

const everything = { n: undefined, last: undefined }

for (const kind of ['filesystem', 'inmemory'] as const) {
  it(`pages of tags read the folder once, and again after a change by anybody, ${kind}`, async () => {
    await using store = await openStore(kind)
    const { descriptor } = await putImage(store.content, busybox, 'a', 'b', 'c', 'd')
    const clock = new TestClock()
    clock.advance(60_000)
    const watched = watchedDriver(store.driver)
    const content = contentOver(watched.driver, { clock })
    const page = async (last?: string) => (await content.listTags(busybox, { n: 2, last }))?.items
    const reads = () => watched.calls.filter((call) => call === `list ${layout.tagsFolder(busybox)}`).length
    assert.deepEqual([await page(), await page('b'), await page('c')], [['a', 'b'], ['c', 'd'], ['d']])
    assert.equal(reads(), 1)
    await tick(store.driver, layout.tagsFolder(busybox))
    // By another process, which tells nobody.
    await store.content.putTag(busybox, parseTag('bb'), descriptor.digest)
    assert.deepEqual(await page('b'), ['bb', 'c'])
    await tick(store.driver, layout.tagsFolder(busybox))
    await store.content.removeTag(busybox, parseTag('c'))
    assert.deepEqual(await page('b'), ['bb', 'd'])
  })
}

it('changes that come quicker than the clock of the disk ticks are all seen', async () => {
  await using store = await openStore('filesystem')
  const { descriptor } = await putImage(store.content, busybox, 'first')
  const expected = ['first']
  for (let index = 0; index < 200; index += 1) {
    const tag = `t${String(index).padStart(3, '0')}`
    await store.content.putTag(busybox, parseTag(tag), descriptor.digest)
    expected.push(tag)
    assert.deepEqual((await store.content.listTags(busybox, { n: 1000, last: undefined }))?.items, expected)
  }
})

it('the catalog sees repositories come and go, though it remembers folders', async () => {
  await using store = await openStore('filesystem')
  const clock = new TestClock()
  clock.advance(60_000)
  const content = contentOver(store.driver, { clock })
  const list = async () => (await content.listRepositories(everything, never)).items
  for (const name of ['a', 'a/b', 'c']) await putImage(store.content, parseRepositoryName(name), 'latest')
  assert.deepEqual(
    [await list(), await list()],
    [
      ['a', 'a/b', 'c'],
      ['a', 'a/b', 'c'],
    ],
  )
  await tick(store.driver, `${layout.repositoriesFolder}/a/b`)
  await putImage(store.content, parseRepositoryName('a/b/deep'), 'latest')
  clock.advance(1000)
  assert.deepEqual(await list(), ['a', 'a/b', 'a/b/deep', 'c'])
  await tick(store.driver, `${layout.repositoriesFolder}/a`)
  await store.driver.remove(`${layout.repositoriesFolder}/a/b`)
  clock.advance(1000)
  assert.deepEqual(await list(), ['a', 'c'])
})

it('a page of the catalog is looked up once a second, but what was kept here is listed at once', async () => {
  await using store = await openStore('inmemory')
  const clock = new TestClock()
  clock.advance(60_000)
  const watched = watchedDriver(store.driver)
  const content = contentOver(watched.driver, { clock })
  const list = async () => (await content.listRepositories(everything, never)).items
  await putImage(content, parseRepositoryName('first'), 'latest')
  assert.deepEqual(await list(), ['first'])
  watched.calls.length = 0
  clock.advance(999)
  assert.deepEqual([await list(), watched.calls], [['first'], []])
  await tick(store.driver, layout.repositoriesFolder)
  await putImage(store.content, parseRepositoryName('of-another'), 'latest')
  await putImage(content, parseRepositoryName('second'), 'latest')
  assert.deepEqual(await list(), ['first', 'of-another', 'second'])
  await tick(store.driver, layout.repositoriesFolder)
  await putImage(store.content, parseRepositoryName('third'), 'latest')
  clock.advance(1000)
  assert.deepEqual(await list(), ['first', 'of-another', 'second', 'third'])
})

it('a crowd that asks for one folder reads it once', async () => {
  await using store = await openStore('inmemory')
  const clock = new TestClock()
  clock.advance(60_000)
  const watched = watchedDriver(store.driver)
  const listings = new Listings(watched.driver, clock)
  await store.driver.write('/a/1', Buffer.from('x'))
  const found = await Promise.all(Array.from({ length: 20 }, () => listings.list('/a')))
  assert.deepEqual([...new Set(found.map((names) => names?.join()))], ['1'])
  assert.equal(watched.calls.filter((call) => call === 'list /a').length, 1)
})

it('what is remembered is bounded', async () => {
  await using store = await openStore('inmemory')
  const clock = new TestClock()
  clock.advance(60_000)
  const watched = watchedDriver(store.driver)
  const listings = new Listings(watched.driver, clock, 5000)
  for (const folder of ['/a', '/b', '/c']) {
    for (let index = 0; index < 60; index += 1) await store.driver.write(`${folder}/${index}`, Buffer.from('x'))
  }
  for (const folder of ['/a', '/b', '/c', '/a']) assert.equal((await listings.list(folder))?.length, 60)
  assert.equal(watched.calls.filter((call) => call === 'list /a').length, 2)
  assert.equal(await listings.list('/absent'), undefined)
  assert.equal(await listings.list('/a/1'), undefined)
})

it('a repository without tags has an empty list, and one that is unknown has none', async () => {
  await using store = await openStore('inmemory')
  await store.content.putManifest(busybox, manifestNamed('untagged'))
  assert.deepEqual(await store.content.listTags(busybox, everything), { items: [], more: false })
  assert.equal(await store.content.listTags(parseRepositoryName('unknown'), everything), undefined)
})

// What crashes, full disks and other programs leave in a store: it counts as absent, and the next write makes it right.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { Digest } from '../../src/oci/digest.ts'
import * as layout from '../../src/store/layout.ts'
import { type Log, silentLog } from '../../src/telemetry/log.ts'
import { busybox, collect, contentOver, latest, manifestNamed, never, openStore, putBlob, putImage } from './example-content.ts'

const other = manifestNamed('another').descriptor.digest
/** Contents that a link may be found with, and whether it still says what it should. */
const damages: Record<string, [damaged: (digest: Digest) => string, isReadable: boolean]> = {
  'an empty link': [() => '', false],
  'a truncated link': [(digest) => digest.slice(0, 40), false],
  'a link of junk': [() => '\0\0\0\0', false],
  'a link with something before the digest': [(digest) => ` ${digest}`, false],
  'a link with a newline behind the digest': [(digest) => `${digest}\n`, true],
  'a link with blanks behind the digest': [(digest) => `${digest} \r\n`, true],
}

for (const [name, [damaged, isReadable]] of Object.entries(damages)) {
  const outcome = isReadable ? 'is read' : 'counts as absent'
  it(`${name} ${outcome}, and is healed by the next write`, async () => {
    await using store = await openStore('filesystem')
    const { descriptor, bytes } = await putImage(store.content, busybox, 'latest')
    const { digest } = descriptor
    const blob = await putBlob(store.content, busybox, Buffer.from('layer'))
    const links: [path: string, target: Digest, find: (content: typeof store.content) => Promise<unknown>][] = [
      [layout.currentLinkPath(busybox, latest), digest, (content) => content.findManifest(busybox, latest)],
      [layout.revisionLinkPath(busybox, digest), digest, (content) => content.findManifest(busybox, digest)],
      [layout.layerLinkPath(busybox, blob), blob, (content) => content.findBlob(busybox, blob)],
      [layout.indexLinkPath(busybox, latest, digest), digest, async () => (isReadable ? 'not read' : undefined)],
    ]
    for (const [path, target] of links) await store.driver.write(path, Buffer.from(damaged(target)))
    for (const [path, , find] of links) assert.equal((await find(contentOver(store.driver))) !== undefined, isReadable, path)

    const content = contentOver(store.driver)
    await content.putManifest(busybox, { descriptor, bytes })
    await content.putTag(busybox, latest, digest)
    await content.linkBlob(busybox, blob)
    for (const [path, target] of links) assert.equal(Buffer.from((await store.driver.read(path)) ?? []).toString(), target, path)
  })
}

it('a link to other content is no link', async () => {
  await using store = await openStore('filesystem')
  const { descriptor } = await putImage(store.content, busybox, 'latest')
  const blob = await putBlob(store.content, busybox, Buffer.from('layer'))
  await store.driver.write(layout.revisionLinkPath(busybox, descriptor.digest), Buffer.from(other))
  await store.driver.write(layout.layerLinkPath(busybox, blob), Buffer.from(other))
  const content = contentOver(store.driver)
  assert.equal(await content.findManifest(busybox, descriptor.digest), undefined)
  assert.equal(await content.findBlob(busybox, blob), undefined)
})

it('a linked blob whose bytes are gone, or are a folder, is absent', async () => {
  await using store = await openStore('filesystem')
  const blob = await putBlob(store.content, busybox, Buffer.from('layer'))
  await store.driver.remove(layout.blobDataPath(blob))
  assert.equal(await store.content.findBlob(busybox, blob), undefined)
  assert.equal(await store.content.statBlob(blob), undefined)
  await store.driver.write(`${layout.blobDataPath(blob)}/inside`, Buffer.from('x'))
  assert.equal(await store.content.findBlob(busybox, blob), undefined)
  assert.equal(await store.content.statBlob(blob), undefined)
})

const damagedBytes: Record<string, (bytes: Uint8Array) => Uint8Array> = {
  'other bytes of the same length': (bytes) => Buffer.alloc(bytes.length, ' '),
  'only half of its bytes': (bytes) => bytes.subarray(0, bytes.length / 2),
  'no bytes': () => new Uint8Array(),
  'more bytes than a manifest may have': () => Buffer.alloc(5 * 1024 * 1024, ' '),
}

for (const [what, damage] of Object.entries(damagedBytes)) {
  it(`a manifest with ${what} is absent, the log says so, and it is healed by the next write`, async () => {
    await using store = await openStore('filesystem')
    const { descriptor, bytes } = await putImage(store.content, busybox, 'latest')
    await store.driver.write(layout.blobDataPath(descriptor.digest), damage(bytes))
    const warnings: object[] = []
    const log: Log = { ...silentLog, warn: (fields) => warnings.push(fields) }
    const content = contentOver(store.driver, { log })
    assert.equal(await content.findManifest(busybox, latest), undefined)
    assert.equal(await content.findManifest(busybox, descriptor.digest), undefined)
    assert.equal((warnings[0] as { digest?: string }).digest, descriptor.digest)

    await content.putManifest(busybox, { descriptor, bytes })
    for (const healed of [content, contentOver(store.driver)]) {
      assert.ok(Buffer.from(bytes).equals((await healed.findManifest(busybox, latest))?.bytes ?? Buffer.alloc(0)))
    }
  })
}

it('a manifest that is linked but has no bytes is absent', async () => {
  await using store = await openStore('filesystem')
  const { descriptor } = await putImage(store.content, busybox, 'latest')
  await store.driver.remove(layout.blobDataPath(descriptor.digest))
  assert.equal(await contentOver(store.driver).findManifest(busybox, latest), undefined)
})

it('a note on a media type that holds no type is ignored', async () => {
  await using store = await openStore('filesystem')
  const { descriptor } = await putImage(store.content, busybox, 'latest')
  for (const junk of ['', 'text', 'a/b\r\nSet-Cookie: x']) {
    await store.driver.write(layout.mediaTypePath(descriptor.digest), Buffer.from(junk))
    const found = await contentOver(store.driver).findManifest(busybox, latest)
    assert.equal(found?.descriptor.mediaType, descriptor.mediaType)
  }
})

it('a blob that became shorter on disk fails its reader instead of ending well', async () => {
  await using store = await openStore('filesystem')
  const blob = await putBlob(store.content, busybox, Buffer.alloc(100_000, 'x'))
  const handle = await store.content.findBlob(busybox, blob)
  await store.driver.write(layout.blobDataPath(blob), Buffer.alloc(60_000, 'x'))
  await assert.rejects(collect(handle?.open(undefined, never)), { message: `reading blob ${blob}` })
})

it('a damaged blob is healed when its bytes come in again', async () => {
  await using store = await openStore('filesystem')
  const bytes = Buffer.from('a layer')
  const blob = await putBlob(store.content, busybox, bytes)
  await store.driver.write(layout.blobDataPath(blob), Buffer.alloc(bytes.length))
  await putBlob(store.content, busybox, bytes)
  const handle = await store.content.findBlob(busybox, blob)
  assert.ok(bytes.equals((await collect(handle?.open(undefined, never))) ?? Buffer.alloc(0)))
})

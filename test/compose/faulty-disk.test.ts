// A mirror over a disk that cannot be written any more, or not read in one place: clients get everything, right, from what works.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openCluster } from '../../src/compose/cluster.ts'
import { openMirror } from '../../src/compose/mirror.ts'
import { createOperation } from '../../src/compose/operation.ts'
import { openStore } from '../../src/compose/store.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { ContentSource } from '../../src/content.ts'
import { systemClock } from '../../src/lib/clock.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { parseRepositoryName, parseTag } from '../../src/oci/names.ts'
import { LocalContent } from '../../src/store/local-content.ts'
import { silentLog } from '../../src/telemetry/log.ts'
import { startHub } from '../support/hub/hub.ts'
import { type Image, ociImage } from '../support/images.ts'
import { layerIn } from '../scenarios/scene.ts'
import { until } from '../support/until.ts'
import { watchedDriver } from '../store/watched-driver.ts'

const repository = parseRepositoryName('library/some')
const never = new AbortController().signal
const parts = { log: silentLog, clock: systemClock }

/** `fault`: what an action of the driver meets from now on. */
async function withMirror(
  work: (mirror: ContentSource, breakDisk: (fault: (call: string) => Error | undefined) => void, images: Image[]) => Promise<void>,
) {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-faulty-'))
  try {
    await using hub = await startHub()
    const images = ['one', 'two'].map((seed) => ociImage({ seed, layerBytes: 300_000 }))
    for (const [at, image] of images.entries()) hub.add('some', image, { tags: [`tag-${at}`] })
    const document = {
      version: 0.1,
      storage: { filesystem: { rootdirectory: folder } },
      proxy: { remoteurl: hub.url, libraryprefix: true },
    }
    const { config } = loadConfig({ text: JSON.stringify(document), file: 'test.yml', env: {} })
    await using building = new AsyncDisposableStack()
    const store = building.use(await openStore(config, parts))
    let fault: (call: string) => Error | undefined = () => undefined
    const { driver } = watchedDriver(store.driver, (call) => fault(call))
    const local = new LocalContent({ driver, ...parts })
    const cluster = await openCluster(config, parts, building)
    const { counting } = createOperation(config, parts)
    assert.ok(config.proxy)
    const { content } = await openMirror(config.proxy, { ...parts, driver, local, cluster, counting, userAgent: 'test' }, building)
    await work(content, (next) => (fault = next), images)
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function pull(mirror: ContentSource, tag: string, image: Image): Promise<void> {
  const manifest = await mirror.findManifest(repository, parseTag(tag), never)
  assert.equal(manifest?.descriptor.digest, image.manifest.digest)
  for (const digest of image.blobs.keys()) {
    const handle = await mirror.findBlob(repository, digest as Digest, never)
    assert.ok(handle)
    const hash = createHash('sha256')
    // Chunks are only lent.
    for await (const chunk of handle.open(undefined, never)) hash.update(chunk)
    assert.equal(`sha256:${hash.digest('hex')}`, digest)
  }
}

test('a disk that became read-only: what is here is served, what is new is passed on', () =>
  withMirror(async (mirror, breakDisk, [kept, fresh]) => {
    assert.ok(kept && fresh)
    await pull(mirror, 'tag-0', kept)
    const readOnly = Object.assign(new Error('EROFS: read-only file system'), { code: 'EROFS' })
    let refused = 0
    breakDisk((call) => {
      if (!/^(write|append|move|remove|adopt)/.test(call)) return undefined
      refused += 1
      return readOnly
    })
    for (let round = 0; round < 2; round += 1) {
      await pull(mirror, 'tag-0', kept)
      await pull(mirror, 'tag-1', fresh)
    }
    assert.ok(refused > 0)
    breakDisk(() => undefined)
    await pull(mirror, 'tag-1', fresh)
  }))

test('a medium error in the middle of a blob: its client is cut, the next one gets it whole, and other blobs are served', () =>
  withMirror(async (mirror, breakDisk, [kept, other]) => {
    assert.ok(kept && other)
    await pull(mirror, 'tag-0', kept)
    await pull(mirror, 'tag-1', other)
    const hex = layerIn(kept).digest.slice('sha256:'.length)
    let isReplaced = false
    breakDisk((call) => {
      if (!call.includes(hex)) return undefined
      if (/^(move|adopt)/.test(call)) isReplaced = true
      return call.startsWith('open') && !isReplaced ? Object.assign(new Error('EIO: i/o error'), { code: 'EIO' }) : undefined
    })
    await assert.rejects(pull(mirror, 'tag-0', kept), /reading blob/)
    await pull(mirror, 'tag-1', other)
    await until('it is whole again', () =>
      pull(mirror, 'tag-0', kept).then(
        () => true,
        () => false,
      ),
    )
  }))

// Three replicas on one bucket, as an operator and clients see them: what one did, the others know when something has to go, and one of
// them is killed.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { evictNow } from '../../../src/compose/eviction.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { silentLog } from '../../../src/telemetry/log.ts'
import { type Asking, asking } from '../../admin/asking.ts'
import { startHub } from '../../support/hub/hub.ts'
import { type Image, ociImage } from '../../support/images.ts'
import { needsPackages } from '../../support/packages.ts'
import { outcomeOf } from '../../support/pull.ts'
import { startRegistry } from '../../support/registry.ts'
import { type Radosgw, radosgwPackages, startRadosgw } from '../../support/servers/radosgw.ts'
import { startRedis } from '../../support/servers/redis.ts'
import { until } from '../../support/until.ts'
import { startChild } from '../child.ts'
import { questionsTo } from '../scene.ts'
import { patientRedis } from './replicas.ts'

const name = 'usage of replicas on one bucket'
const repository = 'library/some'
const imageNamed = (seed: string) => ociImage({ seed: `bucket usage ${seed}`, layers: 1, layerBytes: 300_000 })

interface Seen {
  readonly image: string
  readonly digest: string
  readonly usedAt: string
  readonly pinnedBy: readonly string[]
}

async function seenAt(admin: Asking): Promise<Readonly<Record<string, Seen>>> {
  const { body } = await admin.get('/images')
  return Object.fromEntries((body as { images: Seen[] }).images.map((seen) => [seen.image.replace(/^.*:/, ''), seen]))
}

async function pullFrom(replica: { readonly url: string; readonly port: number }, tag: string, image: Image): Promise<void> {
  const questions = questionsTo(() => replica)
  assert.equal((await questions.manifest(repository, tag)).status, 200)
  for (const digest of image.blobs.keys()) {
    assert.deepEqual(outcomeOf(await questions.blob(repository, digest)).slice(2), ['whole', digest])
    await questions.kept(repository, digest)
  }
}

describe(name, await needsPackages(name, [...radosgwPackages, 'redis-server']), () => {
  let s3: Radosgw
  let folder: string
  before(async () => {
    s3 = await startRadosgw()
    folder = await mkdtemp(join(tmpdir(), 'entrepot-usage-'))
  })
  after(async () => {
    await s3?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  it('pulls, moved tags and pins on one count on all, also when it is killed; and what evicts from outside knows them, too', async () => {
    await using redis = await startRedis()
    await using hub = await startHub()
    const parameters = s3.parametersOf(await s3.newBucket())
    const config = {
      storage: { s3: parameters, redirect: { disable: true } },
      redis: { addrs: [redis.addr], ...patientRedis },
      http: { addr: '127.0.0.1:0', secret: 'shared', debug: { addr: '127.0.0.1:0' } },
    }
    const proxy = { libraryprefix: true, maxsize: '800kB', tags: { ttl: '1ms' } }
    const [one, two, three] = [imageNamed('one'), imageNamed('two'), imageNamed('three')]
    hub.add('some', one, { tags: ['moving'] })
    hub.add('some', two, { tags: ['two'] })
    await using a = await startChild({ folder, upstream: hub.url, proxy, config })
    await using b = await startRegistry({ upstream: hub.url, proxy, config })
    await using c = await startRegistry({ upstream: hub.url, proxy, config })
    const [atB, atC] = [asking(b.debugUrl), asking(c.debugUrl)]

    await pullFrom(a, 'moving', one)
    await pullFrom(a, 'two', two)
    // What a flush has written, no kill takes.
    await until(
      'the others know both',
      async () =>
        Object.keys(await seenAt(atB))
          .sort()
          .join() === 'moving,two',
      15_000,
    )
    const { moving: before } = await seenAt(atB)
    hub.add('some', two, { tags: ['moving', 'two'] })
    await pullFrom(a, 'moving', two)
    await pullFrom(a, one.manifest.digest, one)
    await until('the tag has moved', async () => (await seenAt(atB))['moving']?.digest === two.manifest.digest, 15_000)
    await until(
      'the use is known',
      async () => ((await seenAt(atC))[one.manifest.digest.slice(7)]?.usedAt ?? '') > (before?.usedAt ?? '~'),
      15_000,
    )
    await a.end('SIGKILL')

    assert.equal((await atB.post('/pin', 'some:two')).status, 200)
    await until('the pin is known', async () => (await seenAt(atC))['two']?.pinnedBy.length === 1)
    // The image that nobody calls by a tag any more is the one that may go.
    hub.add('some', three, { tags: ['three'] })
    await pullFrom(c, 'three', three)
    await until('there was too much', async () => !Object.hasOwn(await seenAt(atB), one.manifest.digest.slice(7)), 15_000)
    assert.deepEqual(Object.keys(await seenAt(atC)).sort(), ['moving', 'three', 'two'])

    const tool = { version: 0.1, ...config, proxy: { remoteurl: hub.url, ...proxy, maxsize: '1kB' } }
    const { config: loaded } = loadConfig({ text: JSON.stringify(tool), file: 'test.yml', env: {} })
    const rows = await evictNow(loaded, { log: silentLog, clock: systemClock }, false)
    assert.deepEqual(
      rows?.map(({ tags }) => tags),
      [['three']],
    )
    await until(
      'the others know',
      async () =>
        Object.keys(await seenAt(atB))
          .sort()
          .join() === 'moving,two',
      15_000,
    )
  })
})

// Replicas' usage indexes while Redis is killed, flushed, stands still, or has kept less than one of them needs.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseDigest } from '../../src/oci/digest.ts'
import { parseRepositoryName, parseTag } from '../../src/oci/names.ts'
import { type Image, ociImage } from '../support/images.ts'
import { needsPackages } from '../support/packages.ts'
import { until } from '../support/until.ts'
import { keep, type Replica, type ReplicaStage, startReplicaStage } from './replica-stage.ts'

const name = 'usage indexes of replicas, and Redis in trouble'
const repository = parseRepositoryName('library/some')
const minuteMs = 60_000
const newsKey = 'entrepot:usage:{some store}:news'
const imageNamed = (seed: string) => ociImage({ seed: `usage outage ${seed}`, layers: 1, layerBytes: 50_000 })
const digestOf = (image: Image) => parseDigest(image.manifest.digest)
const [one, two, three] = [imageNamed('one'), imageNamed('two'), imageNamed('three')]

const rootsOf = async ({ index }: Replica) => (await index.oldest(10)).map(({ digest }) => digest)

/** Both have two images, the first one used least lately. */
async function stageOfTwo(): Promise<ReplicaStage & { readonly a: Replica; readonly b: Replica }> {
  await using building = new AsyncDisposableStack()
  const stage = building.use(await startReplicaStage())
  const [a, b] = [building.use(await stage.join()), building.use(await stage.join())]
  await keep(a, repository, one, '1')
  stage.clock.jump(minuteMs)
  await keep(a, repository, two, '2')
  for (const each of [a, b, a, b]) await each.usage.flush()
  assert.deepEqual(await rootsOf(b), [digestOf(one), digestOf(two)])
  const running = building.move()
  return { ...stage, a, b, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

const isBack = (replica: Replica) =>
  until('Redis is back', async () => {
    const before = replica.asked()
    await replica.usage.flush()
    // Without Redis the first command is the last.
    return replica.asked() - before > 1
  })

describe(name, await needsPackages(name, ['redis-server']), () => {
  it('what was told and used while Redis was away is told when it is back, and who comes then knows it all', async () => {
    await using stage = await stageOfTwo()
    const { a, b, clock, redis } = stage
    await redis.kill()
    clock.jump(minuteMs)
    await keep(a, repository, three, '3')
    a.usage.noteManifest(repository, parseTag('1'), digestOf(one))
    await a.usage.flush()
    b.usage.noteManifest(repository, parseTag('2'), digestOf(two))
    await b.usage.flush()
    // Each by itself.
    assert.deepEqual((await rootsOf(a)).at(0), digestOf(two))
    assert.deepEqual(await rootsOf(b), [digestOf(one), digestOf(two)])
    clock.jump(10 * minuteMs)
    b.usage.noteManifest(repository, parseTag('2'), digestOf(two))
    await redis.restart()
    await isBack(b)
    await isBack(a)
    await b.usage.flush()
    assert.deepEqual(await rootsOf(b), await rootsOf(a))
    assert.equal((await rootsOf(b)).at(-1), digestOf(two))
    assert.equal((await rootsOf(b)).length, 3)
    await using late = await stage.join()
    assert.deepEqual(await rootsOf(late), await rootsOf(a))
  })

  it('what FLUSHALL took is told again', async () => {
    await using stage = await stageOfTwo()
    const { a, b, clock, redis } = stage
    clock.jump(minuteMs)
    await b.index.use([{ repository, digest: digestOf(one), tag: undefined }], clock.now())
    await keep(a, repository, three, '3')
    await a.usage.settled()
    await a.usage.flush()
    await redis.cli('FLUSHALL')
    for (const each of [b, a, b]) await each.usage.flush()
    assert.equal((await rootsOf(b)).length, 3)
    assert.deepEqual(await b.index.totals(), await a.index.totals())
    await using late = await stage.join()
    assert.deepEqual(await rootsOf(late), await rootsOf(b))
  })

  it('while Redis stands still, nobody waits for long, and nothing is forgotten', async () => {
    await using stage = await stageOfTwo()
    const { a, b, clock, redis } = stage
    redis.pause()
    const since = performance.now()
    clock.jump(minuteMs)
    for (let turn = 0; turn < 20; turn += 1) {
      a.usage.noteManifest(repository, parseTag('1'), digestOf(one))
      await a.usage.flush()
    }
    assert.ok(performance.now() - since < 2000, `20 flushes took ${performance.now() - since} ms`)
    const usedAt = clock.now()
    // The other one has read on when the first one writes.
    clock.jump(10 * minuteMs)
    redis.resume()
    await isBack(b)
    b.usage.noteManifest(repository, parseTag('2'), digestOf(two))
    await b.usage.flush()
    await b.usage.flush()
    await isBack(a)
    await b.usage.flush()
    const { usedAt: known = 0 } = (await b.index.find(repository, digestOf(one))) ?? {}
    assert.ok(Math.abs(known - usedAt) < 2000, `${known - usedAt} ms`)
    assert.deepEqual(await rootsOf(b), [digestOf(one), digestOf(two)])
  })

  it('who was away for so long that news are gone makes its index from the store again', async () => {
    await using stage = await stageOfTwo()
    const { b, redis } = stage
    // In its index, but not in the store, one is gone.
    await b.index.drop(repository, digestOf(one))
    const fill = "for i = 1, 2100 do redis.call('XADD', KEYS[1], '*', 'by', 'somebody', 'news', '[]') end"
    await redis.cli('EVAL', fill, '1', newsKey)
    await redis.cli('XTRIM', newsKey, 'MAXLEN', '2000')
    await b.usage.flush()
    await b.usage.rebuilt()
    assert.deepEqual(await rootsOf(b), [digestOf(one), digestOf(two)])
  })

  it('who has more to tell than is kept says so, and the others look at the store', async () => {
    await using stage = await stageOfTwo()
    const { a, b, redis } = stage
    await redis.kill()
    await a.usage.flush()
    for (let at = 0; at < 10_001; at += 1) await a.index.unpoint(repository, parseTag(`gone${at}`))
    await b.index.drop(repository, digestOf(one))
    await redis.restart()
    await isBack(a)
    await until('the other one has looked', async () => {
      await b.usage.flush()
      await b.usage.rebuilt()
      return (await rootsOf(b)).length === 2
    })
  })
})

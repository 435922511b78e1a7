// Questions about tags: one at a time each, waited for as long as it is worth, and refreshed in the background without waste.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Manifest, type ManifestDescription, UpstreamFailure } from '../../src/content.ts'
import { MirroredManifests } from '../../src/mirror/manifests.ts'
import { Outages } from '../../src/mirror/outages.ts'
import { TagMemory } from '../../src/mirror/tag-memory.ts'
import { TagQuestions } from '../../src/mirror/tag-questions.ts'
import { parseTag } from '../../src/oci/names.ts'
import type { LocalContent } from '../../src/store/local-content.ts'
import { MemoryDriver } from '../../src/store/drivers/memory.ts'
import { busybox as repository, contentOver, latest, manifestNamed, never, stable } from '../store/example-content.ts'
import { TestClock } from '../support/clock.ts'
import { until } from '../support/until.ts'
import { scriptedSource, silentLog } from './scripted-source.ts'

const one: Manifest = { ...manifestNamed('one'), provenance: { verdict: 'miss' } }
const two: Manifest = { ...manifestNamed('two'), provenance: { verdict: 'miss' } }
const revalidateTimeoutMs = 2_000

/** As HEAD tells of it. */
function described({ descriptor, provenance }: Manifest): ManifestDescription {
  return { descriptor, provenance }
}

function setUp(pullsLeft?: number) {
  const clock = new TestClock()
  const source = scriptedSource({ describeManifest: async () => described(one), findManifest: async () => one })
  const standing = { name: 'hub', pausedUntil: 0, pullsLeft }
  source.answers.standing = () => standing
  const local = contentOver(new MemoryDriver({ clock }), { clock })
  const shared = { local, source, log: silentLog, stop: never }
  const manifests = new MirroredManifests(shared)
  const memory = new TagMemory()
  const questions = new TagQuestions({
    ...shared,
    manifests,
    memory,
    outages: new Outages(clock, silentLog),
    revalidateTimeoutMs,
    quotaReserve: 20,
    clock,
  })
  const count = (name: string) => source.asked.filter((line) => line.startsWith(name)).length
  return { clock, source, local, memory, questions, standing, heads: () => count('describeManifest'), gets: () => count('findManifest') }
}

/** An answer that comes when the test says so. */
function pending(scene: ReturnType<typeof setUp>) {
  const { promise, resolve, reject } = Promise.withResolvers<ManifestDescription | undefined>()
  scene.source.answers.describeManifest = () => promise
  return { resolve, fail: () => reject(new UpstreamFailure('unavailable', '503')) }
}

describe('a question', () => {
  test('is one for all who ask meanwhile, and another one afterwards', async () => {
    const scene = setUp()
    const answer = pending(scene)
    const asking = Array.from({ length: 10 }, (_, n) => scene.questions.ask(repository, latest, n % 2 === 0, never))
    const others = scene.questions.ask(repository, stable, false, never)
    answer.resolve(described(one))
    for (const found of await Promise.all(asking)) assert.equal(found, one.descriptor)
    await others
    assert.equal(scene.heads(), 2, 'one for each tag')
    await scene.questions.ask(repository, latest, true, never)
    assert.equal(scene.heads(), 3)
  })

  test('that fails fails for all', async () => {
    const scene = setUp()
    const answer = pending(scene)
    const asking = [1, 2, 3].map(() => scene.questions.ask(repository, latest, false, never))
    answer.fail()
    for (const failed of asking) await assert.rejects(failed, { kind: 'unavailable' })
    assert.equal(scene.heads(), 1)
  })

  test('is waited for so long, counted from when it was asked, where something can stand in', async () => {
    const scene = setUp()
    pending(scene)
    const first = scene.questions.ask(repository, latest, true, never)
    await scene.clock.sleeping(revalidateTimeoutMs)
    scene.clock.advance(1_500)
    const second = scene.questions.ask(repository, latest, true, never)
    await scene.clock.sleeping(500)
    scene.clock.advance(500)
    await assert.rejects(first, { kind: 'timeout' })
    await assert.rejects(second, { kind: 'timeout' })
    await assert.rejects(scene.questions.ask(repository, latest, true, never), { kind: 'timeout' }, 'who comes later waits no more')
    assert.equal(scene.heads(), 1)
  })

  test('goes on when nobody waits any more, and is remembered', async () => {
    const scene = setUp()
    const answer = pending(scene)
    const waiting = scene.questions.ask(repository, latest, true, never)
    await scene.clock.pass(revalidateTimeoutMs)
    await assert.rejects(waiting, { kind: 'timeout' })
    answer.resolve(described(one))
    await until('it is remembered', () => scene.memory.recall(repository, latest)?.descriptor === one.descriptor)
  })

  test('that hangs is asked anew after a while, and its late answer does not hide a newer one', async () => {
    const scene = setUp()
    const hanging = pending(scene)
    const first = scene.questions.ask(repository, latest, true, never)
    await scene.clock.pass(revalidateTimeoutMs)
    await assert.rejects(first, { kind: 'timeout' })
    scene.clock.advance(revalidateTimeoutMs)
    scene.source.answers.describeManifest = async () => described(two)
    assert.equal(await scene.questions.ask(repository, latest, true, never), two.descriptor)
    hanging.resolve(described(one))
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(scene.memory.recall(repository, latest)?.descriptor, two.descriptor)
    assert.equal(scene.heads(), 2)
  })

  test('is waited for to the end where nothing can stand in', async () => {
    const scene = setUp()
    const answer = pending(scene)
    const waiting = scene.questions.ask(repository, latest, false, never)
    scene.clock.advance(60_000)
    answer.resolve(described(one))
    assert.equal(await waiting, one.descriptor)
  })

  test('answered with "none" forgets the tag', async () => {
    const scene = setUp()
    await scene.questions.ask(repository, latest, false, never)
    assert.ok(scene.memory.recall(repository, latest))
    scene.source.answers.describeManifest = async () => undefined
    assert.equal(await scene.questions.ask(repository, latest, true, never), undefined)
    assert.equal(scene.memory.recall(repository, latest), undefined)
  })
})

describe('a refresh', () => {
  const storedTag = async (local: LocalContent) => (await local.describeManifest(repository, latest))?.descriptor.digest

  test('of a tag that has moved brings the new manifest in', async () => {
    const { questions, local, source } = setUp()
    await questions.fetch(repository, latest, never)
    assert.equal(await storedTag(local), one.descriptor.digest)
    Object.assign(source.answers, { describeManifest: async () => described(two), findManifest: async () => two })
    questions.refresh(repository, latest)
    await until('the tag has moved', async () => (await storedTag(local)) === two.descriptor.digest)
  })

  test('is one question, however many pulls ask for it while upstream hangs', async () => {
    const scene = setUp()
    const answer = pending(scene)
    for (let n = 0; n < 100; n += 1) scene.questions.refresh(repository, latest)
    await until('it was asked', () => scene.heads() === 1)
    answer.fail()
    scene.source.answers.describeManifest = async () => described(one)
    scene.questions.refresh(repository, stable)
    await until('another tag has had its turn', () => scene.memory.recall(repository, stable) !== undefined)
    assert.equal(scene.heads(), 2)
    assert.equal(scene.memory.recall(repository, latest), undefined, 'nobody asked a second time')
  })

  test('waits with others, so many at a time', async () => {
    const scene = setUp()
    const answer = pending(scene)
    for (let n = 0; n < 50; n += 1) scene.questions.refresh(repository, parseTag(`t${n}`))
    await until('some were asked', () => scene.heads() === 8)
    answer.resolve(described(one))
    await until('all were asked', () => scene.heads() === 50)
  })

  test('asks nothing when the reserve is reached, or in a pause', async () => {
    for (const change of [{ pullsLeft: 20 }, { pausedUntil: Number.POSITIVE_INFINITY }]) {
      const { questions, standing, heads } = setUp()
      Object.assign(standing, change)
      questions.refresh(repository, latest)
      await questions.ask(repository, stable, false, never)
      assert.equal(heads(), 1, 'that of the other tag')
    }
  })

  test('of several tags stops at the reserve: each looks at what the one before has left', async () => {
    const scene = setUp(23)
    const { source, standing, questions, gets, heads } = scene
    const images = Array.from({ length: 10 }, (_, n): Manifest => ({ ...manifestNamed(`image ${n}`), provenance: { verdict: 'miss' } }))
    source.answers.describeManifest = async (_, reference) => {
      const found = images[Number(String(reference).slice(1))]
      return found && described(found)
    }
    source.answers.findManifest = async (_, reference) => {
      standing.pullsLeft = (standing.pullsLeft ?? 0) - 1
      return images.find(({ descriptor }) => descriptor.digest === reference)
    }
    for (let n = 0; n < 10; n += 1) questions.refresh(repository, parseTag(`t${n}`))
    await until('the reserve is reached', () => standing.pullsLeft === 20)
    await until('who was asked has been answered', () => heads() >= 8)
    await questions.ask(repository, stable, false, never)
    assert.deepEqual([gets(), standing.pullsLeft], [3, 20])
  })
})

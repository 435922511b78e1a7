// A day of a CI farm behind the mirror, by a clock that the test moves: 200 nodes, 30 images, 100 pulls an hour from the Hub, tags that
// move, an hour without the Hub, and an hour in which it answers 429 to everything.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestClock } from '../support/clock.ts'
import { abuse429 } from '../support/hub/hub.ts'
import { digestOf, type Image, ociImage, seededRandom } from '../support/images.ts'
import { until } from '../support/until.ts'
import { type Scene, startScene } from './scene.ts'

const limit = 100
const reserve = 20
const images = 30
const nodes = 200
const minutesPerStep = 10
const stepsPerHour = 60 / minutesPerStep
const always = Number.POSITIVE_INFINITY

/** Pulled by builds that take what is there at once; the last few are of those who want to know each time. */
const patient = Array.from({ length: 24 }, (_, n) => `library/app${n}`)
const impatient = Array.from({ length: images - patient.length }, (_, n) => `library/base${n}`)
const proxy = {
  quota: { reserve },
  tags: { ttl: '5m', stalewhilerevalidate: '48h', rules: [{ match: 'library/base*:latest', ttl: '5m', stalewhilerevalidate: '0s' }] },
}

class Day {
  readonly #scene: Scene
  readonly #clock: TestClock
  readonly #random = seededRandom('day')
  readonly #holdings = Array.from({ length: nodes }, () => new Set<string>())
  readonly #pulled = new Set<string>()
  #moves = 0
  /** The Hub can't be asked. */
  isTroubled = false
  /** What each tag points at upstream. */
  readonly published = new Map<string, string>()
  /** Digest → GETs of it upstream. */
  readonly gets = new Map<string, number>()
  readonly verdicts = new Map<string, number>()
  /** Digests of images that somebody pulled for the first time, and waited for. */
  readonly cold = new Set<string>()
  lowestByBackground = limit

  constructor(scene: Scene, clock: TestClock) {
    this.#scene = scene
    this.#clock = clock
  }

  /** Puts a new image behind the tag. */
  publish(repository: string): Image {
    this.#moves += 1
    const image = ociImage({ seed: `${repository} ${this.#moves}`, layerBytes: 200 })
    this.#scene.hub.add(repository, image, { tags: ['latest'] })
    this.published.set(repository, image.manifest.digest)
    return image
  }

  /** So many pulls at one time, each by a node and of an image of its own choice. */
  async pulls(count: number): Promise<void> {
    const all = [...patient, ...impatient]
    const pick = () => all[Math.floor(this.#random() * all.length)] ?? ''
    await Promise.all(Array.from({ length: count }, () => this.pull(pick())))
  }

  async pullEverything(): Promise<void> {
    await Promise.all([...patient, ...impatient].map((repository) => this.pull(repository)))
  }

  /** As containerd does, or as Docker did: HEAD of the tag and GET of the digest, or GET of the tag; then what the node lacks. */
  async pull(repository: string): Promise<void> {
    const node = this.#holdings[Math.floor(this.#random() * nodes)] ?? new Set()
    this.#pulled.add(repository)
    let reference = 'latest'
    if (this.#random() < 0.5) {
      const head = await this.#scene.manifest(repository, 'latest', { method: 'HEAD' })
      assert.equal(head.status, 200, `HEAD ${repository}`)
      reference = head.headers['docker-content-digest'] ?? ''
      this.#count(head.headers['x-cache'])
    }
    const manifest = await this.#scene.manifest(repository, reference)
    assert.equal(manifest.status, 200, `GET ${repository} ${manifest.body.toString()}`)
    const digest = digestOf(manifest.body)
    if (reference === 'latest') this.#count(manifest.headers['x-cache'])
    if (node.has(digest)) return
    node.add(digest)
    const { layers } = JSON.parse(manifest.body.toString()) as { layers: { digest: string }[] }
    for (const layer of layers) {
      const blob = await this.#scene.blob(repository, layer.digest)
      assert.deepEqual([blob.status, digestOf(blob.body)], [200, layer.digest])
    }
  }

  /** Time goes on once what was pulled is refreshed as far as it can be. */
  async step(): Promise<void> {
    const { hub } = this.#scene
    const pulled = [...this.#pulled].filter((repository) => patient.includes(repository))
    this.#pulled.clear()
    const isSpent = () => this.isTroubled || hub.quotaUsed() >= limit - reserve
    for (const repository of pulled) {
      const isFresh = async () => {
        const { headers } = await this.#scene.manifest(repository, 'latest', { method: 'HEAD' })
        return headers['docker-content-digest'] === this.published.get(repository)
      }
      await until(`${repository} is refreshed`, async () => isSpent() || (await isFresh()), 20_000)
    }
    await until('the Hub is at rest', () => hub.ledger.every(({ done }) => done))
    // What the Hub has answered must have come, or time would run out for it.
    await this.#scene.arrived()
    this.#account()
    this.#clock.advance(minutesPerStep * 60_000)
    hub.advance(minutesPerStep * 60)
  }

  /** Who has spent the quota: within a step the Hub's clock stands still, so it is one window. */
  #account(): void {
    const { hub } = this.#scene
    const counted = hub.find({ kind: 'manifest', where: ({ counted: isCounted }) => isCounted })
    const usedBefore = hub.quotaUsed() - counted.length
    for (const [at, { digest = '', repository = '' }] of counted.entries()) {
      const left = limit - usedBefore - at - 1
      if (patient.includes(repository) && !this.cold.has(digest)) this.lowestByBackground = Math.min(this.lowestByBackground, left)
      this.gets.set(digest, (this.gets.get(digest) ?? 0) + 1)
    }
    hub.clearLedger()
  }

  #count(verdict = 'none'): void {
    this.verdicts.set(verdict, (this.verdicts.get(verdict) ?? 0) + 1)
  }
}

async function hours(day: Day, count: number, pullsPerStep: number, before: (step: number) => void = () => {}): Promise<void> {
  for (let step = 0; step < count * stepsPerHour; step += 1) {
    before(step)
    await day.pulls(pullsPerStep)
    await day.step()
  }
}

test('a day: nothing that is cached fails, each manifest is fetched once, and background work leaves the reserve alone', async () => {
  const clock = new TestClock()
  await using scene = await startScene({ clock, proxy, hub: { quota: { limit, windowSeconds: 3600 } } })
  const { hub } = scene
  const day = new Day(scene, clock)
  for (const repository of [...patient, ...impatient]) day.cold.add(day.publish(repository).manifest.digest)
  await day.pullEverything()
  assert.equal(hub.quotaUsed(), images)
  await day.step()

  await hours(day, 6, 3)
  // Releases: each build of the morning moves the tag again.
  await hours(day, 2, 40, () => patient.forEach((repository) => day.publish(repository)))
  assert.equal(day.lowestByBackground, reserve, 'the reserve was reached, and held')
  // What nobody has here is what the reserve is for.
  for (let n = 0; n < 5; n += 1) {
    day.cold.add(day.publish(`library/new${n}`).manifest.digest)
    await day.pull(`library/new${n}`)
  }
  await hours(day, 4, 6, (step) => step === 0 && impatient.forEach((repository) => day.publish(repository)))
  await day.pullEverything()
  await day.step()
  await day.pullEverything()

  day.isTroubled = true
  await hub.down()
  const staleBefore = day.verdicts.get('stale') ?? 0
  await hours(day, 1, 12)
  assert.ok((day.verdicts.get('stale') ?? 0) > staleBefore, 'those who ask each time get what is here')
  await hub.up()
  day.isTroubled = false

  await hours(day, 3, 6, (step) => step === 0 && patient.slice(0, 5).forEach((repository) => day.publish(repository)))
  await day.pullEverything()
  await day.step()
  await day.pullEverything()
  day.isTroubled = true
  hub.script([{ on: { at: 'registry' }, ...abuse429, times: always }])
  await hours(day, 1, 12)
  hub.clearScript()
  day.isTroubled = false
  await hours(day, 7, 4)

  assert.equal(day.lowestByBackground, reserve)
  const repeated = [...day.gets].filter(([, gets]) => gets !== 1)
  assert.deepEqual(repeated, [], 'manifest GETs are as many as distinct digests')
  await day.pullEverything()
  await day.step()
  for (const repository of [...patient, ...impatient]) {
    const reply = await scene.manifest(repository, 'latest')
    assert.equal(digestOf(reply.body), day.published.get(repository), `${repository} is what the Hub has`)
  }
})

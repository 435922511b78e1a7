// The matrix itself: {tag, digest, nothing cached} x {HEAD manifest, GET manifest, GET blob} under one kind of trouble of one part.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JumpingClock } from '../../support/clock.ts'
import { digestOf, type Image, ociImage } from '../../support/images.ts'
import { type Asking, errorCodeOf, type Reply } from '../../support/pull.ts'
import { until } from '../../support/until.ts'
import { layerIn, type Scene, startScene } from '../scene.ts'
import type { Role, Trouble } from './faults.ts'

/** Where upstream is silent. Where it fails at once, that it does so is seen by a time-out which is long. */
const shortPatienceMs = 250
const longPatienceMs = 8_000
/** Far from both, so that a test sees which of them ended a wait. */
const upstreamTimeoutMs = 2_500
/** For a machine that does other things, too. */
const slackMs = 1_500

const tagged = ociImage({ seed: 'tagged' })
const moved = ociImage({ seed: 'moved' })
const pinned = ociImage({ seed: 'pinned' })
const colds = ['by-head', 'by-get', 'by-digest', 'blob'].map((seed) => ({ repository: `library/${seed}`, seed }))
const head: Asking = { method: 'HEAD' }

interface Timed {
  readonly reply: Reply
  readonly tookMs: number
}

async function timed(asked: Promise<Reply>): Promise<Timed> {
  const begunAt = performance.now()
  const reply = await asked
  return { reply, tookMs: performance.now() - begunAt }
}

function layerOf(image: Image): string {
  return layerIn(image).digest
}

async function startMatrixScene(trouble: Trouble, clock: JumpingClock): Promise<Scene> {
  const isTls = trouble.tls === true
  const patienceMs = trouble.isSilent === true ? shortPatienceMs : longPatienceMs
  const proxy = {
    connecttimeout: `${upstreamTimeoutMs}ms`,
    responseheadertimeout: `${upstreamTimeoutMs}ms`,
    tags: { revalidatetimeout: `${patienceMs}ms` },
  }
  const scene = await startScene({ hub: { tls: isTls }, clock, proxy: (hub) => ({ ...proxy, ...(isTls ? { ca: hub.caFile } : {}) }) })
  const { hub } = scene
  hub.add('library/tagged', tagged, { tags: ['1'] })
  hub.add('library/pinned', pinned, { tags: ['1'] })
  for (const { repository, seed } of colds) hub.add(repository, ociImage({ seed }), { tags: ['1'] })
  await scene.manifest('library/tagged', '1')
  await scene.manifest('library/pinned', pinned.manifest.digest)
  for (const [repository, image] of [['library/tagged', tagged] as const, ['library/pinned', pinned] as const]) {
    await scene.blob(repository, layerOf(image))
    await scene.kept(repository, layerOf(image))
  }
  return scene
}

function assertHit(reply: Reply, digest: string): void {
  assert.deepEqual([reply.status, reply.headers['x-cache'], reply.headers['docker-content-digest']], [200, 'hit', digest])
}

/** Both ways to ask for what the tag points at; the tag has moved upstream meanwhile. */
async function assertStale(scene: Scene, trouble: Trouble): Promise<void> {
  for (const asking of [head, {}]) {
    const { reply, tookMs } = await timed(scene.manifest('library/tagged', '1', asking))
    assert.deepEqual([reply.status, reply.headers['x-cache']], [200, 'stale'])
    assert.equal(reply.headers['docker-content-digest'], tagged.manifest.digest)
    assert.match(reply.headers['warning'] ?? '', new RegExp(`^111 entrepot "${trouble.cause}"$`))
    assert.match(reply.headers['age'] ?? '', /^\d+$/)
    assert.ok(tookMs < (trouble.isSilent === true ? shortPatienceMs : 0) + slackMs, `${tookMs} ms`)
    if (asking.method !== 'HEAD') assert.deepEqual(reply.body, tagged.manifest.bytes)
  }
}

async function assertDigestsAreHits(scene: Scene): Promise<void> {
  for (const [repository, image] of [['library/tagged', tagged] as const, ['library/pinned', pinned] as const]) {
    for (const asking of [head, {}]) {
      assertHit(await scene.manifest(repository, image.manifest.digest, asking), image.manifest.digest)
      assertHit(await scene.blob(repository, layerOf(image), asking), layerOf(image))
    }
  }
}

interface Cell {
  readonly what: string
  readonly hasBody: boolean
  readonly ask: (scene: Scene) => Promise<Reply>
}

/** Each of a repository of its own, so that none rides on another's question. */
function coldCells(): readonly Cell[] {
  const [byHead, byGet, byDigest, blob] = colds.map(({ repository, seed }) => ({ repository, image: ociImage({ seed }) }))
  assert.ok(byHead !== undefined && byGet !== undefined && byDigest !== undefined && blob !== undefined)
  return [
    { what: 'HEAD tag', hasBody: false, ask: (scene) => scene.manifest(byHead.repository, '1', head) },
    { what: 'GET tag', hasBody: true, ask: (scene) => scene.manifest(byGet.repository, '1') },
    { what: 'GET digest', hasBody: true, ask: (scene) => scene.manifest(byDigest.repository, byDigest.image.manifest.digest) },
    { what: 'GET blob', hasBody: true, ask: (scene) => scene.blob(blob.repository, layerOf(blob.image)) },
  ]
}

function assertRefused(trouble: Trouble, { what, hasBody }: Cell, { reply, tookMs }: Timed): void {
  assert.equal(reply.status, trouble.status, what)
  if (hasBody) assert.equal(errorCodeOf(reply), trouble.code, what)
  assert.equal(reply.headers['retry-after'], trouble.retryAfter, what)
  assert.equal(reply.headers['www-authenticate'], undefined, what)
  assert.equal(reply.headers['x-cache'], undefined, what)
  assert.ok(tookMs < 2 * upstreamTimeoutMs + 2 * slackMs, `${what}: ${tookMs} ms`)
}

/** The part's trouble is over, and so is what the mirror keeps away for of its own accord. */
async function recover(scene: Scene, trouble: Trouble, role: Role, clock: JumpingClock): Promise<void> {
  await trouble.end(scene.hub, role)
  clock.jump(trouble.pauseMs ?? 0)
}

/** Questions that hang were asked before the trouble ended: at the latest their time-out sets the mirror free. */
async function assertFresh(scene: Scene, trouble: Trouble): Promise<void> {
  const isFresh = async () => {
    const reply = await scene.manifest('library/tagged', '1')
    assert.equal(reply.status, 200)
    if (reply.headers['x-cache'] === 'stale' && trouble.isSilent === true) return false
    assert.deepEqual([reply.headers['warning'], digestOf(reply.body)], [undefined, moved.manifest.digest])
    // What came in when its pull had stopped waiting is here for the next one.
    const isNew = reply.headers['x-cache'] === 'miss' || (trouble.isSilent === true && reply.headers['x-cache'] === 'revalidated')
    assert.ok(isNew, reply.headers['x-cache'])
    return true
  }
  if (trouble.isSilent === true) await until('the tag is fresh', isFresh, upstreamTimeoutMs + 2 * slackMs)
  else await isFresh()
}

/** The registry's or its token server's trouble: nothing new can be had. */
export function testTrouble(trouble: Trouble, role: Exclude<Role, 'CDN'>): void {
  const begin = async (scene: Scene) => {
    if (role === 'token server') scene.hub.revokeTokens()
    await trouble.begin(scene.hub, role)
  }

  test(`a ${role} that ${trouble.what}: what is cached is served in time, and is fresh as soon as it can be`, async () => {
    const clock = new JumpingClock()
    await using scene = await startMatrixScene(trouble, clock)
    await begin(scene)
    try {
      scene.hub.add('library/tagged', moved, { tags: ['1'] })
      scene.hub.clearLedger()
      await assertDigestsAreHits(scene)
      assert.equal(scene.hub.ledger.length, 0, 'digests need no upstream')
      await assertStale(scene, trouble)
      await assertDigestsAreHits(scene)
    } finally {
      await recover(scene, trouble, role, clock)
    }
    await assertFresh(scene, trouble)
  })

  test(`a ${role} that ${trouble.what}: what is not cached gets ${trouble.status}, and comes as soon as it can`, async () => {
    const clock = new JumpingClock()
    await using scene = await startMatrixScene(trouble, clock)
    const cells = coldCells()
    if (role === 'registry') await learnTokens(scene)
    await begin(scene)
    try {
      const replies = await Promise.all(cells.map((cell) => timed(cell.ask(scene))))
      for (const [at, cell] of cells.entries()) assertRefused(trouble, cell, replies[at] as Timed)
    } finally {
      await recover(scene, trouble, role, clock)
    }
    for (const cell of cells) assert.equal((await cell.ask(scene)).status, 200, cell.what)
  })
}

/** So that only the registry's trouble is met. */
async function learnTokens(scene: Scene): Promise<void> {
  for (const { repository } of colds) await scene.manifest(repository, 'none')
}

/** The CDN's trouble: manifests come, new blobs do not. */
export function testCdnTrouble(trouble: Trouble): void {
  test(`a CDN that ${trouble.what}: blobs that are here and all manifests are served, others get ${trouble.status}`, async () => {
    const clock = new JumpingClock()
    await using scene = await startMatrixScene(trouble, clock)
    const cells = coldCells()
    const blob = cells.at(-1) as Cell
    await trouble.begin(scene.hub, 'CDN')
    try {
      scene.hub.add('library/tagged', moved, { tags: ['1'] })
      assertRefused(trouble, blob, await timed(blob.ask(scene)))
      await assertDigestsAreHits(scene)
      await assertFresh(scene, trouble)
      for (const cell of cells.slice(0, -1)) assert.equal((await cell.ask(scene)).status, 200, cell.what)
    } finally {
      await recover(scene, trouble, 'CDN', clock)
    }
    assert.deepEqual([(await blob.ask(scene)).status, (await blob.ask(scene)).status], [200, 200])
  })
}

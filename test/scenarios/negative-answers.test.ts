// Wrong names, as build farms ask for them by the thousand: they cost upstream one question every few seconds.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestClock } from '../support/clock.ts'
import { ociImage } from '../support/images.ts'
import { errorCodeOf, type Reply } from '../support/pull.ts'
import { gate, type Scene, startScene } from './scene.ts'

const repository = 'library/known'
const image = ociImage({ seed: 'known' })
const absent = `sha256:${'0'.repeat(64)}`
const negativeMs = 10_000

async function startNegativeScene(options: Parameters<typeof startScene>[0] = {}) {
  const clock = new TestClock()
  const scene = await startScene({ clock, ...options })
  scene.hub.add(repository, image, { tags: ['1'] })
  return Object.assign(scene, { clock })
}

const outcome = (reply: Reply) => [reply.status, reply.body.length === 0 ? undefined : errorCodeOf(reply)]

interface Unknown {
  readonly what: string
  readonly ask: (scene: Scene) => Promise<Reply>
  readonly expected: readonly [number, string]
  /** Questions to the registry that it takes: of a denied manifest, HEAD and GET. */
  readonly questions: number
}

const unknowns: readonly Unknown[] = [
  { what: 'tag', ask: (scene) => scene.manifest(repository, 'none'), expected: [404, 'MANIFEST_UNKNOWN'], questions: 1 },
  { what: 'manifest', ask: (scene) => scene.manifest(repository, absent), expected: [404, 'MANIFEST_UNKNOWN'], questions: 1 },
  { what: 'blob', ask: (scene) => scene.blob(repository, absent), expected: [404, 'BLOB_UNKNOWN'], questions: 1 },
  { what: 'repository', ask: (scene) => scene.manifest('nobody/nothing', '1'), expected: [403, 'DENIED'], questions: 2 },
]

for (const { what, ask, expected, questions } of unknowns) {
  test(`an unknown ${what} is asked for once, then not again for ten seconds`, async () => {
    await using scene = await startNegativeScene()
    const { hub, clock } = scene
    await scene.manifest(repository, '1')
    assert.deepEqual(outcome(await ask(scene)), expected)
    hub.clearLedger()
    clock.advance(negativeMs - 1)
    for (let n = 0; n < 20; n += 1) assert.deepEqual(outcome(await ask(scene)), expected)
    assert.equal(hub.ledger.length, 0)
    clock.advance(1)
    assert.deepEqual(outcome(await ask(scene)), expected)
    const asked = hub.count({ kind: ['manifest', 'blob'] })
    assert.ok(asked >= 1 && asked <= questions, hub.describeLedger())
  })
}

for (const { what, ask, expected } of unknowns.filter(({ expected: [status] }) => status === 404)) {
  test(`an unknown ${what} that many ask for at one time is one question`, async () => {
    await using scene = await startNegativeScene({ hub: { auth: 'none' } })
    const { hub } = scene
    const answer = gate()
    hub.script([{ on: { at: 'registry' }, holdUntil: answer.opened }])
    const pulls = Array.from({ length: 20 }, () => ask(scene))
    await hub.seen({ at: 'registry' })
    await scene.arrived()
    answer.open()
    for (const reply of await Promise.all(pulls)) assert.deepEqual(outcome(reply), expected)
    assert.equal(hub.ledger.length, 1, hub.describeLedger())
  })
}

test('HEADs of an unknown digest share one question, too', async () => {
  await using scene = await startNegativeScene({ hub: { auth: 'none' } })
  const { hub } = scene
  const answer = gate()
  hub.script([{ on: { at: 'registry' }, holdUntil: answer.opened }])
  const pulls = Array.from({ length: 20 }, () => scene.manifest(repository, absent, { method: 'HEAD' }))
  await hub.seen({ at: 'registry' })
  await scene.arrived()
  answer.open()
  for (const reply of await Promise.all(pulls)) assert.equal(reply.status, 404)
  assert.equal(hub.ledger.length, 1, hub.describeLedger())
})

test('trouble is not remembered: what failed is there as soon as upstream is', async () => {
  await using scene = await startNegativeScene()
  const { hub } = scene
  for (const [n, fault] of [{ status: 500 }, { status: 503 }, { status: 429 }, { refuse: true }].entries()) {
    hub.add(`library/cold${n}`, ociImage({ seed: `cold ${n}` }), { tags: ['1'] })
    hub.script([{ on: { at: 'registry' }, ...fault, times: 2 }])
    const failed = await scene.manifest(`library/cold${n}`, '1')
    assert.ok(failed.status >= 429, String(failed.status))
    hub.clearScript()
    assert.equal((await scene.manifest(`library/cold${n}`, '1')).status, 200)
  }
})

test('a tag that appears is found when the time is over, and stays found', async () => {
  await using scene = await startNegativeScene()
  const { hub, clock } = scene
  assert.equal((await scene.manifest(repository, 'new')).status, 404)
  hub.moveTag(repository, 'new', image.manifest.digest)
  assert.equal((await scene.manifest(repository, 'new')).status, 404)
  clock.advance(negativeMs)
  for (let n = 0; n < 2; n += 1) assert.equal((await scene.manifest(repository, 'new')).status, 200)
})

test('wrong credentials are tried once a minute, whatever is pulled, and said once in the log', async () => {
  await using scene = await startNegativeScene({ proxy: { username: 'ada', password: 'wrong' } })
  const { hub, clock, registry } = scene
  hub.addAccount('ada', 's3cr3t')
  for (let minute = 1; minute <= 3; minute += 1) {
    for (let n = 0; n < 5; n += 1) {
      const reply = await scene.manifest(`library/image${n}`, '1')
      assert.deepEqual(outcome(reply), [403, 'DENIED'])
      assert.equal(reply.headers['www-authenticate'], undefined)
    }
    assert.equal(hub.tokens().length, minute)
    clock.advance(60_000)
    hub.advance(60)
  }
  assert.equal(registry.log.filter((line) => line.includes('refused the upstream credentials')).length, 1)
  assert.equal(
    registry.log.some((line) => line.includes('wrong"')),
    false,
  )
})

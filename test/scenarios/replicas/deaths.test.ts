// The replica that fetches a blob is killed, or stands still, or Redis goes: what clients of the others see, and what upstream sends.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Hub, startHub } from '../../support/hub/hub.ts'
import { digestOf, memoryBlob, seededBytes } from '../../support/images.ts'
import { needsPackages } from '../../support/packages.ts'
import type { OpenAnswer } from '../../support/pull.ts'
import { until } from '../../support/until.ts'
import { gate, questionsTo } from '../scene.ts'
import { type MortalReplicas, startMortalReplicas } from './mortal.ts'
import { type Replicas, startReplicas } from './replicas.ts'

const name = 'replicas that die'
const mebibyte = 1024 * 1024
const repository = 'library/some'
const bytes = seededBytes('deaths', 12 * mebibyte)
const blob = memoryBlob(bytes)
const half = 6 * mebibyte
/** A busy machine is no outage, and a real one is noticed soon. */
const lessPatientRedis = { readtimeout: '2s' }

interface Middle<R> extends AsyncDisposable {
  readonly hub: Hub
  readonly replicas: R
  /** Of A, which fetches. */
  readonly first: OpenAnswer
  /** Of B and C, which follow, or of B alone. */
  readonly others: readonly OpenAnswer[]
  /** Lets upstream go on. */
  goOn(): void
}

/** Half of the blob is with clients of all three. */
async function inTheMiddle<R extends MortalReplicas | Replicas>(
  start: (upstream: string) => Promise<R>,
  followers = 2,
): Promise<Middle<R>> {
  await using building = new AsyncDisposableStack()
  const hub = building.use(await startHub())
  hub.addBlob(repository, blob)
  const replicas = building.use(await start(hub.url))
  const rest = gate()
  building.defer(rest.open)
  hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: half, until: rest.opened }])
  const { a, b, c } = replicas
  const first = await questionsTo(() => a).openBlob(repository, blob.digest)
  await first.readTo(half)
  const others = await Promise.all([b, c].slice(0, followers).map((each) => questionsTo(() => each).openBlob(repository, blob.digest)))
  for (const other of others) await other.readTo(half)
  const running = building.move()
  return { hub, replicas, first, others, goOn: rest.open, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

async function assertWhole(answers: readonly OpenAnswer[]): Promise<void> {
  for (const { body, ending } of await Promise.all(answers.map((each) => each.readAll()))) {
    assert.deepEqual([ending, digestOf(body)], ['whole', blob.digest])
  }
}

describe(name, await needsPackages(name, ['redis-server']), () => {
  for (const ownFolders of [false, true]) {
    it(`kill -9 of the one that fetches: the others' clients notice nothing, ${ownFolders ? 'a store for each' : 'on one folder'}`, async () => {
      await using middle = await inTheMiddle((upstream) => startMortalReplicas({ upstream, ownFolders }))
      const { hub, replicas, first, others, goOn } = middle
      await replicas.a.end('SIGKILL')
      goOn()
      await assertWhole(others)
      // The client of the dead one goes on where it was, with another replica.
      const { body, ending } = await first.readAll()
      assert.notEqual(ending, 'whole')
      assert.ok(body.length >= half && body.length < blob.size)
      const rest = await questionsTo(() => replicas.b).blob(repository, blob.digest, { headers: { range: `bytes=${body.length}-` } })
      assert.equal(rest.status, 206)
      assert.equal(digestOf(Buffer.concat([body, rest.body])), blob.digest)
      const sent = hub.bytesSent({ kind: 'cdn' }) / blob.size
      assert.ok(sent <= 1.05, `upstream sent ${sent} x the blob: ${hub.describeLedger()}`)
      await until('the lease is free', () => replicas.isFree(blob.digest))
      for (const each of [replicas.b, replicas.c]) await questionsTo(() => each).kept(repository, blob.digest)
    })
  }

  it('the one that fetches stands still for longer than its lease: another one goes on, and it does no harm when it wakes', async () => {
    await using middle = await inTheMiddle((upstream) => startMortalReplicas({ upstream }), 1)
    const { hub, replicas, first, others, goOn } = middle
    process.kill(replicas.a.pid, 'SIGSTOP')
    const since = performance.now()
    // Comes when the one that fetches takes connections, but answers nothing.
    const late = questionsTo(() => replicas.c).openBlob(repository, blob.digest)
    goOn()
    await assertWhole([...others, await late])
    assert.ok(performance.now() - since < 14_000, `they waited ${performance.now() - since} ms`)
    process.kill(replicas.a.pid, 'SIGCONT')
    await assertWhole([first])
    assert.ok(hub.bytesSent({ kind: 'cdn' }) <= 1.6 * blob.size, hub.describeLedger())
    await until('the lease is free', () => replicas.isFree(blob.digest))
    for (const each of [replicas.a, replicas.b, replicas.c]) {
      const { body, headers } = await questionsTo(() => each).blob(repository, blob.digest)
      assert.deepEqual([digestOf(body), headers['x-cache']], [blob.digest, 'hit'])
    }
  })

  for (const [what, end] of [
    ['is killed', 'kill'],
    ['stands still', 'pause'],
  ] as const) {
    it(`Redis ${what} in the middle of a fill: nobody's pull fails, and nothing is fetched twice`, async () => {
      await using middle = await inTheMiddle((upstream) => startReplicas({ upstream, redisKeys: lessPatientRedis, ownFolders: true }))
      const { hub, replicas, first, others, goOn } = middle
      await replicas.redis[end]()
      // Known to all before the rest comes.
      for (const each of replicas.all) await until('it is noticed', async () => each.log.some((line) => line.includes('Redis is away')))
      goOn()
      await assertWhole([first, ...others])
      assert.equal(hub.bytesSent({ kind: 'cdn' }), blob.size)
      await (end === 'kill' ? replicas.redis.restart() : replicas.redis.resume())
      for (const each of replicas.all) await questionsTo(() => each).kept(repository, blob.digest)
    })
  }
})

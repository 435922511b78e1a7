// Three replicas cost the Hub what one costs: tags, manifests, absences, pauses and failures that one has learnt, all know.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { abuse429, startHub } from '../../support/hub/hub.ts'
import { ociImage } from '../../support/images.ts'
import { needsPackages } from '../../support/packages.ts'
import { pull } from '../../support/pull.ts'
import type { Registry } from '../../support/registry.ts'
import type { RedisServer } from '../../support/servers/redis.ts'
import { until } from '../../support/until.ts'
import { gate } from '../scene.ts'
import { startReplicas } from './replicas.ts'

const name = 'facts that replicas share'
const repository = 'library/app'
const image = ociImage({ seed: 'shared by replicas' })

async function startShared({
  proxy = {},
  hub: hubOptions = {},
  ownFolders = false,
}: {
  proxy?: object
  hub?: object
  ownFolders?: boolean
} = {}) {
  await using building = new AsyncDisposableStack()
  const hub = building.use(await startHub({ auth: 'none', ...hubOptions }))
  hub.add(repository, image, { tags: ['1'] })
  const replicas = building.use(await startReplicas({ upstream: hub.url, proxy: { ...proxy }, ownFolders }))
  const running = building.move()
  const manifest = (replica: Registry, tag = '1', of = repository) => pull(`${replica.url}/v2/${of}/manifests/${tag}`)
  const each = (tag?: string) => Promise.all(replicas.all.map((replica) => manifest(replica, tag)))
  return { hub, manifest, each, ...replicas, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

const verdicts = (replies: Awaited<ReturnType<typeof pull>>[]) =>
  replies.map(({ status, headers }) => [status, headers['docker-content-digest']])
const good = [200, image.manifest.digest]

describe(name, await needsPackages(name, ['redis-server']), () => {
  for (const ownFolders of [false, true]) {
    it(`a cold tag that all are asked for at once, ${ownFolders ? 'each with a folder of its own' : 'on one folder'}`, async () => {
      await using shared = await startShared({ ownFolders })
      const { hub, each } = shared
      const answer = gate()
      hub.script([{ on: { kind: 'manifest' }, holdUntil: answer.opened }])
      const asked = each()
      await until('the others wait for the one that asks', async () => (await evaluations(shared.redis)) >= 6)
      answer.open()
      assert.deepEqual(verdicts(await asked), [good, good, good])
      assert.equal(hub.count({ kind: 'manifest', method: 'HEAD' }), 1, hub.describeLedger())
      assert.equal(hub.count({ kind: 'manifest', method: 'GET' }), ownFolders ? 3 : 1, hub.describeLedger())
    })
  }

  it('a tag that one has confirmed is fresh for all', async () => {
    await using shared = await startShared({ proxy: { tags: { ttl: '1h' } } })
    const { hub, manifest, a, b, c } = shared
    await manifest(a)
    hub.clearLedger()
    assert.deepEqual(verdicts([await manifest(b), await manifest(c), await manifest(a)]), [good, good, good])
    assert.equal(hub.ledger.length, 0, hub.describeLedger())
  })

  it('a tag that has moved is confirmed once for all who ask at that moment', async () => {
    await using shared = await startShared()
    const { hub, each } = shared
    await each()
    const moved = ociImage({ seed: 'moved' })
    hub.add(repository, moved, { tags: ['1'] })
    hub.clearLedger()
    const answer = gate()
    hub.script([{ on: { kind: 'manifest' }, holdUntil: answer.opened }])
    const before = await evaluations(shared.redis)
    const asked = each()
    await until('the others wait', async () => (await evaluations(shared.redis)) >= before + 6)
    answer.open()
    for (const reply of await asked) assert.equal(reply.headers['docker-content-digest'], moved.manifest.digest)
    assert.deepEqual([hub.count({ method: 'HEAD' }), hub.count({ method: 'GET' })], [1, 1], hub.describeLedger())
  })

  it('what one was told is not there, the others do not ask for', async () => {
    await using shared = await startShared()
    const { hub, manifest, a, b, c } = shared
    assert.equal((await manifest(a, 'none')).status, 404)
    assert.equal((await manifest(a, '1', 'library/nothing')).status, 404)
    hub.clearLedger()
    for (const replica of [b, c]) {
      assert.equal((await manifest(replica, 'none')).status, 404)
      assert.equal((await manifest(replica, '1', 'library/nothing')).status, 404)
    }
    assert.equal(hub.ledger.length, 0, hub.describeLedger())
  })

  it('a pause that one was told of, the others keep', async () => {
    await using shared = await startShared()
    const { hub, each, manifest, a, b, c } = shared
    await each()
    hub.script([{ on: { at: 'registry' }, ...abuse429, retryAfterSeconds: 600 }])
    assert.equal((await manifest(a)).headers['x-cache'], 'stale')
    hub.clearLedger()
    await boardsRead(shared.redis)
    for (const replica of [b, c]) assert.equal((await manifest(replica)).headers['x-cache'], 'stale')
    assert.equal(hub.ledger.length, 0, hub.describeLedger())
  })

  it('a server that fails for one is left alone by those who have nothing better to say', async () => {
    await using shared = await startShared()
    const { hub, manifest, a, b } = shared
    hub.script([{ on: { at: 'registry' }, status: 500, times: Number.POSITIVE_INFINITY }])
    await until('A leaves it alone', async () => {
      const [reply] = await Promise.all(Array.from({ length: 5 }, (_, n) => manifest(a, '1', `library/cold${n}`)))
      return reply?.status === 503
    })
    await until('B knows', async () => {
      hub.clearLedger()
      const reply = await manifest(b, '1', 'library/cold')
      return reply.status === 503 && hub.ledger.length === 0
    })
    hub.clearScript()
    await until(
      'both find it again',
      async () => {
        const replies = [await manifest(a), await manifest(b)]
        return replies.every(({ status }) => status === 200)
      },
      15_000,
    )
  })

  it('without Redis each goes on alone, at once, and all agree again when it is back', async () => {
    await using shared = await startShared({ proxy: { tags: { ttl: '1h' } } })
    const { hub, each, redis, all } = shared
    await redis.kill()
    assert.deepEqual(verdicts(await each()), [good, good, good])
    const cached = performance.now()
    assert.deepEqual(verdicts(await each()), [good, good, good])
    assert.ok(performance.now() - cached < 300, 'nobody waits for what is away')
    await redis.restart()
    await until('all are back', () => all.every(({ log }) => log.some((line) => line.includes('Redis is back'))))
    for (const { log } of all) {
      assert.equal(log.filter((line) => line.includes('Redis is away: ')).length, 1, log.join(''))
      assert.equal(log.filter((line) => line.includes('Redis is back')).length, 1)
    }
    const later = ociImage({ seed: 'later' })
    hub.add(repository, later, { tags: ['2'] })
    await shared.manifest(shared.a, '2')
    hub.clearLedger()
    await each('2')
    assert.equal(hub.count({ kind: 'manifest' }), 0, hub.describeLedger())
  })
})

/** Scripts that were run so far: each try for a lease is one. */
function evaluations(redis: RedisServer): Promise<number> {
  return callsOf(redis, 'eval')
}

/** Resolves when each of three replicas has looked at all of its three boards, and so knows what stood there before. */
async function boardsRead(redis: RedisServer): Promise<void> {
  const before = await callsOf(redis, 'hgetall')
  await until('everybody has looked', async () => (await callsOf(redis, 'hgetall')) >= before + 3 * 3 * 3)
}

async function callsOf(redis: RedisServer, command: string): Promise<number> {
  const statistics = await redis.cli('INFO', 'commandstats')
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(statistics)?.[1] ?? 0)
}

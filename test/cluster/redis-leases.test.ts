// Leases over a real Redis, also when it is killed, or stands still for longer than a lease lives.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { RedisConnection } from '../../src/cluster/redis.ts'
import { RedisLeases } from '../../src/cluster/redis-leases.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/telemetry/log.ts'
import { leasesContract } from '../contracts/leases.ts'
import { ensurePackages } from '../support/packages.ts'
import { type RedisServer, startRedis } from '../support/servers/redis.ts'
import { until } from '../support/until.ts'

await ensurePackages(['redis-server'])
const parts = { clock: systemClock, log: silentLog }
const signal = new AbortController().signal
let redis: RedisServer

before(async () => {
  redis = await startRedis()
})
after(() => redis[Symbol.asyncDispose]())

async function openNode(name: string, ttlMs: number, addr = redis.addr) {
  const connection = await RedisConnection.open({ addrs: [addr], db: 0 }, parts)
  const leases = new RedisLeases({ redis: connection, holder: () => name, ttlMs, ...parts })
  return {
    connection,
    leases,
    async [Symbol.asyncDispose]() {
      await leases[Symbol.asyncDispose]()
      await connection[Symbol.asyncDispose]()
    },
  }
}

leasesContract('Redis', async () => {
  await redis.cli('FLUSHALL')
  const [a, b] = await Promise.all([openNode('a', 4_000), openNode('b', 4_000)])
  return {
    a: a.leases,
    b: b.leases,
    async [Symbol.asyncDispose]() {
      await a[Symbol.asyncDispose]()
      await b[Symbol.asyncDispose]()
    },
  }
})

test('a lease is renewed for as long as it is held', async () => {
  await using a = await openNode('a', 2_000)
  await using b = await openNode('b', 2_000)
  const lease = await a.leases.acquire('long', signal)
  const began = performance.now()
  await until(
    'two lives are over',
    async () => {
      assert.equal(await b.leases.tryAcquire('long'), undefined)
      return performance.now() - began > 4_500
    },
    10_000,
  )
  assert.equal(lease.signal.aborted, false)
  assert.equal(await lease.isHeld(), true)
})

test('the lease of a holder that is gone ends by itself', async () => {
  await using b = await openNode('b', 200)
  const a = await openNode('a', 200)
  const first = await a.leases.acquire('orphaned', signal)
  await a.connection[Symbol.asyncDispose]()
  const second = await b.leases.acquire('orphaned', signal)
  assert.ok(second.fence > first.fence)
  assert.equal(await first.isHeld(), false)
})

test('Redis stands still for longer than a lease lives: the holder is told, and does not hold it any more', async () => {
  await using paused = await startRedis()
  await using a = await openNode('a', 300, paused.addr)
  await using b = await openNode('b', 300, paused.addr)
  const lease = await a.leases.acquire('work', signal)
  paused.pause()
  await until('it is lost', () => lease.signal.aborted)
  assert.match(String(lease.signal.reason), /the lease of work was lost/)
  assert.equal(await lease.isHeld(), false)
  await assert.rejects(b.leases.tryAcquire('work'), { name: 'RedisAway' })
  paused.resume()
  await until('Redis is back for both', () => a.connection.health.isUp && b.connection.health.isUp)
  const next = await b.leases.acquire('work', signal)
  assert.ok(next.fence > lease.fence)
  assert.equal(await lease.isHeld(), false, 'a late holder cannot commit')
})

test('Redis is killed and comes back empty: fences go on growing, and the lease that was forgotten is lost', async () => {
  await using killed = await startRedis()
  await using a = await openNode('a', 1_000, killed.addr)
  await using b = await openNode('b', 1_000, killed.addr)
  const lease = await a.leases.acquire('work', signal)
  await killed.kill()
  await until('the outage is seen', () => !a.connection.health.isUp && !b.connection.health.isUp)
  assert.equal(await lease.isHeld(), false, 'unknown is no')
  await killed.restart()
  await until('Redis is back', () => a.connection.health.isUp && b.connection.health.isUp)
  const next = await b.leases.acquire('work', signal)
  assert.ok(next.fence > lease.fence)
  await until('the first holder is told', () => lease.signal.aborted)
  assert.equal(await next.isHeld(), true)
})

test('closing gives up what is held', async () => {
  await using b = await openNode('b', 60_000)
  {
    await using a = await openNode('a', 60_000)
    await a.leases.acquire('work', signal)
  }
  assert.notEqual(await b.leases.tryAcquire('work'), undefined)
})

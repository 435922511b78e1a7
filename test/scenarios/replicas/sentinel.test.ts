// Redis behind Sentinels: the master is killed, another one takes its place, and replicas agree by that one.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RedisConnection } from '../../../src/cluster/redis.ts'
import { RedisLeases } from '../../../src/cluster/redis-leases.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { silentLog } from '../../../src/telemetry/log.ts'
import { startHub } from '../../support/hub/hub.ts'
import { ociImage } from '../../support/images.ts'
import { needsPackages } from '../../support/packages.ts'
import { pull } from '../../support/pull.ts'
import type { Registry } from '../../support/registry.ts'
import { startSentinelGroup } from '../../support/servers/redis-sentinel.ts'
import { until } from '../../support/until.ts'
import { patientRedis, startReplicas } from './replicas.ts'

const name = 'Redis Sentinel'

describe(name, await needsPackages(name, ['redis-server']), () => {
  it('the master is killed: pulls go on, and leases and facts come back by themselves', async () => {
    await using group = await startSentinelGroup()
    const keys = { addrs: [group.addr], mastername: group.mastername }
    await using hub = await startHub({ auth: 'none' })
    hub.add('library/app', ociImage({ seed: 'sentinel' }), { tags: ['1'] })
    hub.add('library/app', ociImage({ seed: 'later' }), { tags: ['2'] })
    await using replicas = await startReplicas({
      upstream: hub.url,
      proxy: { tags: { ttl: '1h' } },
      redisKeys: { ...keys, ...patientRedis },
    })
    await using connection = await RedisConnection.open({ ...keys, db: 0, readtimeout: 5_000 }, { clock: systemClock, log: silentLog })
    const leases = new RedisLeases({ redis: connection, holder: () => 'test', ttlMs: 1_000, clock: systemClock, log: silentLog })
    const before = await leases.acquire('work', new AbortController().signal)
    const statuses = async (tag: string) =>
      Promise.all(replicas.all.map(async ({ url }) => (await pull(`${url}/v2/library/app/manifests/${tag}`)).status))

    // Sentinels end the connections of whom they make master.
    const told = (...command: string[]) => group.replica.cli(...command).catch(() => '')
    await group.master.kill()
    assert.deepEqual(await statuses('1'), [200, 200, 200])
    await until('the Sentinel has chosen', async () => (await told('INFO', 'replication')).includes('role:master'), 40_000)
    const isBack = (replica: Registry) => replica.log.some((line) => line.includes('Redis is back'))
    // The question to Redis is a pause: the replicas live in this process.
    await until('all have found the new master', async () => (await told('PING')) === 'PONG' && replicas.all.every(isBack), 15_000)
    assert.deepEqual(await statuses('1'), [200, 200, 200])

    await until('the connection is back', () => connection.health.isUp, 15_000)
    await until('the lease is lost', () => before.signal.aborted)
    const after = await leases.acquire('work', AbortSignal.timeout(5_000))
    assert.ok(after.fence > before.fence)
    await after.release()
    await pull(`${replicas.a.url}/v2/library/app/manifests/2`)
    hub.clearLedger()
    assert.deepEqual(await statuses('2'), [200, 200, 200])
    assert.equal(hub.count({ kind: 'manifest' }), 0, hub.describeLedger())
    await leases[Symbol.asyncDispose]()
  })
})

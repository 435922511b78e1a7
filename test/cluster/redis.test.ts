// The connection to a real Redis: how long each command took is told, also of one that fails.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RedisConnection } from '../../src/cluster/redis.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/telemetry/log.ts'
import { ensurePackages } from '../support/packages.ts'
import { startRedis } from '../support/servers/redis.ts'

await ensurePackages(['redis-server'])

test('each command and its time is told', async () => {
  await using redis = await startRedis()
  const told: [string, number][] = []
  const took = (operation: string, seconds: number) => void told.push([operation, seconds])
  await using connection = await RedisConnection.open({ addrs: [redis.addr], db: 0 }, { clock: systemClock, log: silentLog, took })
  await connection.ask('SET', 'a', '1')
  assert.equal(await connection.ask('GET', 'a'), '1')
  await assert.rejects(connection.ask('HGET', 'a', 'b'), /WRONGTYPE/)
  assert.deepEqual(
    told.map(([operation]) => operation),
    ['set', 'get', 'hget'],
  )
  for (const [, seconds] of told) assert.ok(seconds > 0 && seconds < 10, `${seconds} s`)
})

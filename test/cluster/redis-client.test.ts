// What becomes of the `redis` keys, seen in the client that they make, and what is said to those that cannot be.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Cluster, Redis } from 'ioredis'
import { createRedisClient, type RedisSettings } from '../../src/cluster/redis-client.ts'

const least: RedisSettings = { addrs: ['redis.example:6380'], db: 0 }

function optionsOf(settings: Partial<RedisSettings>): Redis['options'] {
  const client = createRedisClient({ ...least, ...settings })
  assert.ok(client instanceof Redis)
  return client.options
}

test('one address is a server; its port, database, account and name are passed on', () => {
  const { host, port, db, username, password, connectionName, connectTimeout } = optionsOf({
    db: 3,
    username: 'app',
    password: 'secret',
    clientname: 'edge',
    dialtimeout: 10,
  })
  assert.deepEqual(
    [host, port, db, username, password, connectionName, connectTimeout],
    ['redis.example', 6380, 3, 'app', 'secret', 'edge', 10],
  )
})

for (const [addr, host, port] of [
  ['redis', 'redis', 6379],
  ['[::1]:7', '::1', 7],
  [':6379', '127.0.0.1', 6379],
] as const) {
  test(`the address ${addr}`, () => {
    const options = optionsOf({ addrs: [addr] })
    assert.deepEqual([options.host, options.port], [host, port])
  })
}

test('a path is a socket', () => assert.equal(optionsOf({ addrs: ['/run/redis.sock'] }).path, '/run/redis.sock'))

test('with mastername the addresses are Sentinels, with their own account', () => {
  const options = optionsOf({
    addrs: ['s1', 's2:1'],
    mastername: 'main',
    sentinelusername: 'u',
    sentinelpassword: 'p',
    tls: { rootcas: [] },
  })
  assert.equal(options.name, 'main')
  assert.deepEqual(options.sentinels, [
    { host: 's1', port: 26_379 },
    { host: 's2', port: 1 },
  ])
  assert.deepEqual([options.sentinelUsername, options.sentinelPassword, options.enableTLSForSentinelMode], ['u', 'p', true])
})

test('several addresses without mastername are a Cluster', () => {
  assert.ok(createRedisClient({ ...least, addrs: ['a:1', 'b:2'] }) instanceof Cluster)
  assert.throws(() => createRedisClient({ ...least, addrs: ['a:1', 'b:2'], db: 1 }), /redis.db: a Redis Cluster has only database 0/)
})

test('RESP2 unless the third is asked for, for every Redis understands it', () => {
  assert.equal(optionsOf({}).protocol, 2)
  assert.equal(optionsOf({ protocol: 3 }).protocol, 3)
})

test('pauses between tries to connect grow to a bound, and never end', () => {
  const { retryStrategy } = optionsOf({ minretrybackoff: 10, maxretrybackoff: 35 })
  assert.deepEqual(
    [1, 2, 3, 4, 1000].map((times) => retryStrategy?.(times)),
    [10, 20, 35, 35, 35],
  )
})

for (const [what, settings, complaint] of [
  ['an address that is none', { addrs: ['http://redis'] }, /redis.addrs: http:\/\/redis is not host:port/],
  ['a port that is none', { addrs: ['redis:99999'] }, /redis.addrs/],
  ['a certificate without its key', { tls: { certificate: 'c', rootcas: [] } }, /redis.tls: certificate and key go together/],
  ['an authority that is not there', { tls: { rootcas: ['/nowhere/ca.pem'] } }, /redis.tls.rootcas: cannot read \/nowhere\/ca.pem/],
] as const) {
  test(`${what} is named by its key`, () => assert.throws(() => createRedisClient({ ...least, ...settings }), complaint))
}

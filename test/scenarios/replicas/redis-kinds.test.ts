// Replicas agree by whatever kind of Redis there is: a Cluster, and one that wants TLS with certificates, a user and a password.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Redis } from 'ioredis'
import { createAuthority } from '../../support/authority.ts'
import { freePort } from '../../support/free-port.ts'
import { startHub } from '../../support/hub/hub.ts'
import { digestOf, ociImage } from '../../support/images.ts'
import { needsPackages } from '../../support/packages.ts'
import { pull } from '../../support/pull.ts'
import { startRedisCluster } from '../../support/servers/redis-cluster.ts'
import { startRedis } from '../../support/servers/redis.ts'
import { patientRedis, startReplicas } from './replicas.ts'

const name = 'kinds of Redis'
const repository = 'library/app'
const image = ociImage({ seed: 'kinds of Redis' })
const [blob] = image.blobs.keys()

/** What replicas without a common folder can only know from each other through Redis. */
async function agreeBy(redisKeys: Readonly<Record<string, unknown>>): Promise<void> {
  await using hub = await startHub({ auth: 'none' })
  hub.add(repository, image, { tags: ['1'] })
  await using replicas = await startReplicas({
    upstream: hub.url,
    proxy: { tags: { ttl: '1h' } },
    redisKeys: { ...patientRedis, ...redisKeys },
    ownFolders: true,
  })
  const { a, b, c } = replicas
  const ask = (url: string, path: string) => pull(`${url}/v2/${repository}/${path}`)
  assert.equal((await ask(a.url, 'manifests/1')).status, 200)
  assert.equal((await ask(b.url, 'manifests/1')).status, 200)
  assert.equal(hub.count({ kind: 'manifest', method: 'HEAD' }), 1, `a tag is confirmed for all:\n${hub.describeLedger()}`)

  const blobs = await Promise.all(replicas.all.map(({ url }) => ask(url, `blobs/${blob}`)))
  assert.deepEqual(
    blobs.map(({ status, body }) => [status, digestOf(body)]),
    [
      [200, blob],
      [200, blob],
      [200, blob],
    ],
  )
  assert.equal(hub.count({ kind: 'blob' }), 1, `one fill, by the lease:\n${hub.describeLedger()}`)

  assert.equal((await ask(b.url, 'manifests/absent')).status, 404)
  assert.equal((await ask(c.url, 'manifests/absent')).status, 404)
  assert.equal(hub.count({ kind: 'manifest', status: 404 }), 1, `an absence is known to all:\n${hub.describeLedger()}`)
  for (const { log } of replicas.all) {
    assert.deepEqual(
      log.filter((line) => line.includes('Redis')),
      [],
    )
  }
}

describe(name, await needsPackages(name, ['redis-server']), () => {
  it('a Cluster', async () => {
    await using cluster = await startRedisCluster()
    await agreeBy({ addrs: cluster.addrs })
    const keys = await Promise.all(cluster.masters.map((master) => master.cli('KEYS', '*')))
    assert.ok(keys.filter((each) => each !== '').length > 1, `its masters share the keys: ${JSON.stringify(keys)}`)
  })

  it('TLS with certificates, a user and a password', async () => {
    await using authority = await createAuthority()
    const [server, client] = [await authority.issue('redis'), await authority.issue('replica')]
    const port = await freePort()
    const certificates = [
      '--tls-cert-file',
      server.certificateFile,
      '--tls-key-file',
      server.keyFile,
      '--tls-ca-cert-file',
      authority.caFile,
    ]
    // The plain port is another one, and nobody is told of it.
    await using redis = await startRedis(['--tls-port', String(port), ...certificates, '--tls-auth-clients', 'yes'])
    // As the README has them.
    const rights = ['~*', '&*', '+@read', '+@write', '+@scripting', '+@connection', '+info', '+time']
    await redis.cli('ACL', 'SETUSER', 'entrepot', 'on', '>opensesame', ...rights)
    await redis.cli('ACL', 'SETUSER', 'default', 'off')
    const tls = { certificate: client.certificateFile, key: client.keyFile, rootcas: [authority.caFile] }
    await agreeBy({ addrs: [`127.0.0.1:${port}`], username: 'entrepot', password: 'opensesame', tls })
    const options = {
      port,
      username: 'entrepot',
      password: 'opensesame',
      tls: { ca: authority.ca, cert: client.certificate, key: client.key },
    }
    const connection = new Redis(options)
    try {
      assert.ok((await connection.keys('*')).length > 2, 'it was this one that was used')
    } finally {
      connection.disconnect()
    }
  })
})

// 300 clients ask three replicas behind haproxy for one cold blob: one transfer from upstream, also when the replica that fetches is killed.
// ENTREPOT_CROWD_MEBIBYTES sets the size; the usual ones let a small machine end within minutes.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import { ListObjectsV2Command } from '@aws-sdk/client-s3'
import { bigBlob, type BlobSource } from '../support/images.ts'
import { needsPackages } from '../support/packages.ts'
import { until } from '../support/until.ts'
import { patientRedis } from '../scenarios/replicas/replicas.ts'
import { questionsTo } from '../scenarios/scene.ts'
import { type Cluster, clusterPackages, startCluster } from './cluster.ts'
import type { CrowdOrder, CrowdReport } from './crowd-clients.ts'

const name = 'a crowd before replicas'
const mebibyte = 1024 * 1024
const mebibytes = process.env['ENTREPOT_CROWD_MEBIBYTES']
const size = Number(mebibytes ?? 64) * mebibyte
/** Of the blob whose holder dies: what was on its way through the system's buffers, some 5 MiB, is fetched again whatever the size. */
const sizeWithDeath = Number(mebibytes ?? 256) * mebibyte
const clients = 300
const hashing = 20
const repository = 'library/crowd'
/** More than a small machine can spread to so many clients, and little enough to last until somebody dies in the middle. */
const upstreamBytesPerSecond = Number(process.env['ENTREPOT_CROWD_MEBIBYTES_PER_SECOND'] ?? 16) * mebibyte

async function sendCrowd(order: CrowdOrder): Promise<CrowdReport> {
  const child = fork(join(import.meta.dirname, 'crowd-clients.ts'), { serialization: 'advanced' })
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`the clients' process ended with ${code}`)))
  ended.catch(() => undefined)
  child.send(order)
  const [report] = (await Promise.race([once(child, 'message'), ended])) as [CrowdReport]
  child.disconnect()
  return report
}

async function checksumOf(blob: BlobSource): Promise<number> {
  let sum = 0
  for await (const chunk of blob.read(0, blob.size)) sum = crc32(chunk, sum)
  return sum
}

describe(name, await needsPackages(name, clusterPackages), () => {
  let cluster: Cluster

  before(async () => {
    cluster = await startCluster({ redisKeys: patientRedis })
    cluster.hub.bytesPerSecond = upstreamBytesPerSecond
  })
  after(() => cluster?.[Symbol.asyncDispose]())

  async function begin(seed: string, size: number) {
    const blob = await bigBlob({ seed, size })
    cluster.hub.addBlob(repository, blob)
    cluster.hub.clearLedger()
    const path = `/v2/${repository}/blobs/${blob.digest}`
    return { blob, report: sendCrowd({ port: cluster.port, path, size, clients, hashing }) }
  }

  async function assertRight(blob: BlobSource, report: CrowdReport): Promise<void> {
    const { digests, checksums, failures } = report
    assert.deepEqual(failures, [])
    assert.deepEqual([...new Set(digests)], [blob.digest])
    assert.deepEqual([...new Set(checksums)], [await checksumOf(blob)])
    assert.equal(digests.length + checksums.length, clients)
    await until('nobody holds the lease', async () => (await cluster.leases()).length === 0, 60_000)
    const { Contents = [] } = await cluster.s3.client.send(new ListObjectsV2Command({ Bucket: cluster.bucket }))
    const stored = Contents.filter(
      ({ Key }) => Key?.endsWith(`/${blob.digest.slice('sha256:'.length)}/data`) && !Key.startsWith('entrepot/'),
    )
    assert.deepEqual(
      stored.map(({ Size }) => Size),
      [blob.size],
    )
  }

  const sentOf = (blob: BlobSource) => cluster.hub.bytesSent({ kind: 'cdn' }) / blob.size

  it('one transfer from upstream for all of them', async (test) => {
    const { blob, report } = await begin('crowd of replicas', size)
    await assertRight(blob, await report)
    const sent = sentOf(blob)
    test.diagnostic(`upstream sent ${sent.toFixed(4)} x the blob`)
    assert.ok(sent <= 1.01, `upstream sent ${sent} x the blob`)
    assert.equal((await report).resumed, 0)
  })

  it('the replica that fetches is killed in the middle: the others go on from what they have, and its clients by Range', async (test) => {
    const { blob, report } = await begin('crowd of replicas, one killed', sizeWithDeath)
    while (sentOf(blob) < 0.5) await sleep(20)
    const value = await cluster.redis.cli('GET', `entrepot:lease:{fill:${blob.digest}}`)
    const holder = cluster.replicas.find(({ url }) => value.endsWith(` ${url}`))
    assert.ok(holder !== undefined, value)
    await holder.kill()
    const { resumed } = await report
    await assertRight(blob, await report)
    const sent = sentOf(blob)
    test.diagnostic(`upstream sent ${sent.toFixed(4)} x the blob; ${resumed} of ${clients} clients had to go on by Range`)
    assert.ok(sent <= 1.05, `upstream sent ${sent} x the blob: ${cluster.hub.describeLedger()}`)
    // Those of the two that live notice nothing.
    assert.ok(resumed > 0 && resumed < clients / 2, `${resumed} clients had to go on by Range`)
    const { headers } = await questionsTo(() => cluster).blob(repository, blob.digest, { method: 'HEAD' })
    assert.equal(headers['x-cache'], 'hit')
  })
})

// Replicas, Redis and S3 are killed, stopped and cut at random while clients pull and push through haproxy. Afterwards each acknowledged push
// is there, no digest served was wrong, and no lease is stuck. The seed is printed; ENTREPOT_CHAOS_SEED gives it again, ENTREPOT_CHAOS_SECONDS
// sets how long it lasts.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BlobSource, digestOf, memoryBlob, seededBytes, seededRandom } from '../support/images.ts'
import { needsPackages } from '../support/packages.ts'
import { until } from '../support/until.ts'
import { get, newTally, pullOnce, pushOnce, type Tally } from './chaos-clients.ts'
import { type Cluster, clusterPackages, startCluster } from './cluster.ts'

const name = 'chaos'
const seed = process.env['ENTREPOT_CHAOS_SEED'] ?? String(Math.floor(Math.random() * 1e9))
const seconds = Number(process.env['ENTREPOT_CHAOS_SECONDS'] ?? 60)
const repository = 'library/some'
const [pullers, pushers] = [4, 2]

type Trouble = (cluster: Cluster, random: () => number) => Promise<void>

const pause = async (pid: number, ms: number) => {
  process.kill(pid, 'SIGSTOP')
  await sleep(ms)
  process.kill(pid, 'SIGCONT')
}
const oneOf = <T>(all: readonly T[], random: () => number) => all[Math.floor(random() * all.length)] as T

const troubles: Readonly<Record<string, Trouble>> = {
  'a replica is killed': async ({ replicas }, random) => {
    const replica = oneOf(replicas, random)
    await replica.kill()
    await sleep(random() * 2_000)
    await replica.start()
  },
  'a replica stands still': async ({ replicas }, random) => pause(oneOf(replicas, random).pid, 500 + random() * 7_000),
  'Redis is killed': async ({ redis }, random) => {
    await redis.kill()
    await sleep(random() * 3_000)
    await redis.restart()
  },
  'Redis stands still': async ({ redis }, random) => {
    redis.pause()
    await sleep(100 + random() * 6_000)
    redis.resume()
  },
  'connections to Redis are cut': async ({ redis }) => void (await redis.cli('CLIENT', 'KILL', 'TYPE', 'normal')),
  'S3 is killed': async ({ s3 }, random) => {
    await s3.kill()
    await sleep(random() * 2_000)
    await s3.start()
  },
  'S3 stands still': async ({ s3 }, random) => {
    s3.pause()
    await sleep(100 + random() * 4_000)
    s3.resume()
  },
}

async function makeTrouble(cluster: Cluster, until: number, tell: (text: string) => void): Promise<void> {
  const random = seededRandom(`${seed} troubles`)
  const names = Object.keys(troubles)
  while (performance.now() < until) {
    const what = oneOf(names, random)
    tell(what)
    await troubles[what]?.(cluster, random)
    await sleep(500 + random() * 2_500)
  }
}

/** Blobs of the Hub, cold ones again and again, and what was pushed. */
async function pullFor(who: number, { url }: Cluster, blobs: readonly BlobSource[], tally: Tally, until: number): Promise<void> {
  const random = seededRandom(`${seed} puller ${who}`)
  while (performance.now() < until) {
    const pushed = random() < 0.3 ? tally.pushes[Math.floor(random() * tally.pushes.length)] : undefined
    if (pushed === undefined) {
      const { digest } = oneOf(blobs, random)
      await pullOnce(`${url}/v2/${repository}/blobs/${digest}`, digest, tally)
    } else {
      await pullOnce(`${url}/v2/${pushed.repository}/manifests/${pushed.tag}`, pushed.image.manifest.digest, tally)
    }
    await sleep(random() * 200)
  }
}

async function pushFor(who: number, { url }: Cluster, tally: Tally, until: number): Promise<void> {
  for (let turn = 0; performance.now() < until; turn += 1) {
    await pushOnce(url, `s${seed}-${who}-${turn}`, tally)
    await sleep(100)
  }
}

/** Without what is different each time. */
function kindOf(failure: string): string {
  return failure.slice(0, 400).replaceAll(/https?:\S+/g, '…')
}

/** A client tries again; what was acknowledged must come. */
async function comesFrom(base: string, path: string, digest: string): Promise<void> {
  const url = `${base}/v2/${path}`
  await until(
    `${url} is there`,
    async () => {
      const { status, body } = await get(url)
      if (body !== undefined && status === 200) assert.equal(digestOf(body), digest, url)
      assert.notEqual(status, 404, `${url}: ${body?.toString()}`)
      return status === 200 && body !== undefined
    },
    60_000,
  )
}

describe(name, await needsPackages(name, clusterPackages), () => {
  it(`seed ${seed}, ${seconds} s: what was acknowledged is there, nothing wrong was served, no lease is stuck`, async (test) => {
    await using cluster = await startCluster()
    const { hub, replicas } = cluster
    const random = seededRandom(`${seed} blobs`)
    const blobs = Array.from({ length: 40 }, (_, index) =>
      memoryBlob(seededBytes(`${seed} ${index}`, 50_000 + Math.floor(random() * 3_000_000))),
    )
    for (const blob of blobs) hub.addBlob(repository, blob)
    hub.bytesPerSecond = 4_000_000
    const tally = newTally()
    const deadline = performance.now() + seconds * 1000
    await Promise.all([
      makeTrouble(cluster, deadline, (text) => test.diagnostic(text)),
      ...Array.from({ length: pullers }, (_, who) => pullFor(who, cluster, blobs, tally, deadline)),
      ...Array.from({ length: pushers }, (_, who) => pushFor(who, cluster, tally, deadline)),
    ])
    const { pushes, failedPushes, wholePulls, brokenPulls, refusedPulls, wrong } = tally
    test.diagnostic(
      `${wholePulls} pulls whole, ${brokenPulls} broken, ${refusedPulls} refused; ${pushes.length} pushes, ${failedPushes.length} failed`,
    )
    test.diagnostic(
      `upstream sent ${(hub.bytesSent({ kind: 'cdn' }) / blobs.reduce((sum, { size }) => sum + size, 0)).toFixed(2)} x the blobs`,
    )
    for (const why of new Set(failedPushes.map(kindOf))) test.diagnostic(`a push failed: ${why}`)
    assert.deepEqual(wrong, [])
    assert.ok(wholePulls > 0 && pushes.length > 0, 'something must have worked')

    hub.bytesPerSecond = undefined
    for (const [index, { repository: where, tag, image }] of pushes.entries()) {
      const { url } = replicas[index % replicas.length] ?? cluster
      for (const reference of [tag, image.manifest.digest]) await comesFrom(url, `${where}/manifests/${reference}`, image.manifest.digest)
      for (const digest of image.blobs.keys()) await comesFrom(url, `${where}/blobs/${digest}`, digest)
    }
    for (const { digest } of blobs) await comesFrom(cluster.url, `${repository}/blobs/${digest}`, digest)
    await until('no lease is held', async () => (await cluster.leases()).length === 0, 30_000).catch(async (error: unknown) => {
      throw new Error(`held: ${(await cluster.leases()).join(' ')}`, { cause: error })
    })
  })
})

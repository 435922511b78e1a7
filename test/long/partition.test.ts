// The network between the replica that fetches a blob and everybody else is cut, and nobody is told: packets only vanish.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { startChild } from '../scenarios/child.ts'
import { gate, questionsTo } from '../scenarios/scene.ts'
import { type Hub, startHub } from '../support/hub/hub.ts'
import { digestOf, memoryBlob, seededBytes } from '../support/images.ts'
import { needsNamespacesAndPackages, programPath } from '../support/packages.ts'
import type { OpenAnswer } from '../support/pull.ts'
import { startRegistry } from '../support/registry.ts'
import { type Namespace, openNamespace, relay } from '../support/servers/network.ts'
import { serverFolder, startServerProcess } from '../support/servers/process.ts'
import { startRedis } from '../support/servers/redis.ts'
import { until } from '../support/until.ts'

const name = 'partition'
const mebibyte = 1024 * 1024
const repository = 'library/some'
const blob = memoryBlob(seededBytes(name, 12 * mebibyte))
const half = 6 * mebibyte

/** From inside, what listens on this machine's loopback is reached on the namespace's own. */
async function joinLoopbacks(network: Namespace, ports: readonly number[], building: AsyncDisposableStack): Promise<void> {
  for (const port of ports) building.use(await relay(network.outside, '127.0.0.1', port))
  const program = join(import.meta.dirname, '../support/servers/network.ts')
  const args = ['netns', 'exec', network.name, process.execPath, program, '127.0.0.1', network.outside, ...ports.map(String)]
  const command = programPath('ip')
  building.use(await startServerProcess({ folder: await serverFolder('relay'), command, args, ready: /relays/ }))
}

const portsOf = (hub: Hub) => [...new Set([hub.url, hub.authUrl, ...Object.values(hub.cdnUrls)].map((url) => Number(new URL(url).port)))]

async function assertWhole(answers: readonly OpenAnswer[]): Promise<void> {
  for (const { body, ending } of await Promise.all(answers.map((each) => each.readAll()))) {
    assert.deepEqual([ending, digestOf(body)], ['whole', blob.digest])
  }
}

describe(name, await needsNamespacesAndPackages(name, ['redis-server']), () => {
  it('the replica that fetches is cut off: the others go on, and it catches up when the cable is back', async (test) => {
    await using building = new AsyncDisposableStack()
    const folder = await mkdtemp(join(tmpdir(), 'entrepot-partition-'))
    building.defer(() => rm(folder, { recursive: true, force: true }))
    const network = building.use(await openNamespace('10.231.77'))
    const hub = building.use(await startHub())
    hub.addBlob(repository, blob)
    const redis = building.use(await startRedis())
    await joinLoopbacks(network, [...portsOf(hub), redis.port], building)
    const [http, proxy] = [{ secret: 'shared' }, { libraryprefix: true }]
    const config = { redis: { addrs: [redis.addr] } }
    await mkdir(join(folder, 'a'))
    const a = building.use(await startChild({ folder: join(folder, 'a'), upstream: hub.url, http, proxy, config, network }))
    const here = async () =>
      building.use(await startRegistry({ upstream: hub.url, proxy, config: { ...config, http: { addr: '127.0.0.1:0', ...http } } }))
    const [b, c] = [await here(), await here()]

    const rest = gate()
    building.defer(rest.open)
    hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: half, until: rest.opened }])
    const first = await questionsTo(() => a).openBlob(repository, blob.digest)
    await first.readTo(half)
    const others = await Promise.all([b, c].map((each) => questionsTo(() => each).openBlob(repository, blob.digest)))
    for (const other of others) await other.readTo(half)

    await network.cut()
    rest.open()
    const since = performance.now()
    await assertWhole(others)
    const seconds = (performance.now() - since) / 1000
    test.diagnostic(`the others' clients waited ${seconds.toFixed(1)} s`)
    assert.ok(seconds < 14, `the others' clients waited ${seconds} s`)
    assert.equal(hub.count({ kind: 'cdn', range: true }), 1, hub.describeLedger())
    for (const each of [b, c]) await questionsTo(() => each).kept(repository, blob.digest)

    await network.mend()
    await assertWhole([first])
    await until('nobody holds the lease', async () => (await redis.cli('EXISTS', `entrepot:lease:{fill:${blob.digest}}`)) === '0', 30_000)
    await until('the one that was cut off is itself again', async () => /Redis is (?:back|there)/.test(a.log()), 30_000)
    await questionsTo(() => a).kept(repository, blob.digest)
    assert.ok(hub.bytesSent({ kind: 'cdn' }) <= 2 * blob.size, hub.describeLedger())
  })
})

// One upstream transfer of a blob for all replicas: who does not fetch it streams it from who does.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Hub, startHub } from '../../support/hub/hub.ts'
import { digestOf, memoryBlob, seededBytes } from '../../support/images.ts'
import { needsPackages } from '../../support/packages.ts'
import { pull } from '../../support/pull.ts'
import { gate, questionsTo } from '../scene.ts'
import { type Replicas, startReplicas } from './replicas.ts'

const name = 'fills of several replicas'
const mebibyte = 1024 * 1024
const repository = 'library/some'
const blob = memoryBlob(seededBytes('replicas', 8 * mebibyte))

interface Stage extends AsyncDisposable {
  readonly hub: Hub
  readonly replicas: Replicas
}

async function stage(ownFolders: boolean): Promise<Stage> {
  await using building = new AsyncDisposableStack()
  const hub = building.use(await startHub())
  hub.addBlob(repository, blob)
  const replicas = building.use(await startReplicas({ upstream: hub.url, ownFolders }))
  const running = building.move()
  return { hub, replicas, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

describe(name, await needsPackages(name, ['redis-server']), () => {
  for (const ownFolders of [false, true]) {
    it(`clients of three replicas share one transfer while it runs, ${ownFolders ? 'each with a store of its own' : 'on one folder'}`, async () => {
      await using staged = await stage(ownFolders)
      const { hub, replicas } = staged
      const rest = gate()
      hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: mebibyte, until: rest.opened }])
      const clients = await Promise.all(
        [...replicas.all, ...replicas.all].map((replica) => questionsTo(() => replica).openBlob(repository, blob.digest)),
      )
      // The first bytes are with everybody while the rest has not been sent.
      for (const client of clients) assert.equal((await client.readTo(mebibyte)).length, mebibyte)
      rest.open()
      for (const { body, ending } of await Promise.all(clients.map((client) => client.readAll()))) {
        assert.deepEqual([ending, digestOf(body)], ['whole', blob.digest])
      }
      assert.equal(hub.bytesSent({ kind: 'cdn' }), blob.size)
      for (const replica of replicas.all) await questionsTo(() => replica).kept(repository, blob.digest)
      assert.equal(hub.bytesSent({ kind: 'cdn' }), blob.size)
    })
  }

  it('a range asked of a replica that follows comes from what the other one has', async () => {
    await using staged = await stage(true)
    const { hub, replicas } = staged
    const rest = gate()
    hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: 2 * mebibyte, until: rest.opened }])
    const first = await questionsTo(() => replicas.a).openBlob(repository, blob.digest)
    await first.readTo(2 * mebibyte)
    const headers = { range: `bytes=${mebibyte}-${2 * mebibyte - 1}` }
    const part = await questionsTo(() => replicas.b).blob(repository, blob.digest, { headers })
    assert.equal(part.status, 206)
    assert.equal(digestOf(part.body), digestOf(seededBytes('replicas', 8 * mebibyte).subarray(mebibyte, 2 * mebibyte)))
    rest.open()
    assert.equal(digestOf((await first.readAll()).body), blob.digest)
    assert.equal(hub.bytesSent({ kind: 'cdn' }), blob.size)
  })

  it('the replica that fetches stops in the middle: another one goes on from its bytes, and its clients notice nothing', async () => {
    await using staged = await stage(true)
    const { hub, replicas } = staged
    const rest = gate()
    hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: 4 * mebibyte, until: rest.opened }])
    const first = await questionsTo(() => replicas.a).openBlob(repository, blob.digest)
    await first.readTo(4 * mebibyte)
    const others = await Promise.all([replicas.b, replicas.c].map((each) => questionsTo(() => each).openBlob(repository, blob.digest)))
    for (const other of others) await other.readTo(4 * mebibyte)

    await replicas.a[Symbol.asyncDispose]()
    rest.open()
    for (const { body, ending } of await Promise.all(others.map((other) => other.readAll()))) {
      assert.deepEqual([ending, digestOf(body)], ['whole', blob.digest])
    }
    assert.equal(hub.count({ kind: 'cdn', range: true }), 1, 'one of the two went on upstream')
  })

  it('without Redis each replica fetches for itself, and nobody waits', async () => {
    await using staged = await stage(true)
    const { hub, replicas } = staged
    await replicas.redis.kill()
    for (const replica of replicas.all) {
      const { body, headers } = await questionsTo(() => replica).blob(repository, blob.digest)
      assert.deepEqual([digestOf(body), headers['x-cache']], [blob.digest, 'miss'])
    }
    assert.equal(hub.bytesSent({ kind: 'cdn' }), 3 * blob.size)
  })

  it('what replicas ask each other is for nobody else', async () => {
    await using staged = await stage(true)
    const { hub, replicas } = staged
    for (const headers of [{}, { 'x-entrepot-peer': `${Date.now()}.${'A'.repeat(43)}` }]) {
      const answer = await pull(`${replicas.a.url}/_cluster/v2/${repository}/blobs/${blob.digest}`, { headers })
      assert.equal(answer.status, 403)
    }
    assert.equal(hub.count({ kind: 'cdn' }), 0)
  })
})

// What upstream refuses or spoils, as clients of the replica that fetches and of those that follow see it; and what replicas ask each other.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { signatureHeader, signPeer } from '../../../src/cluster/peer-signature.ts'
import { type Hub, type Rule, startHub } from '../../support/hub/hub.ts'
import { digestOf, memoryBlob, seededBytes } from '../../support/images.ts'
import { needsPackages } from '../../support/packages.ts'
import { pull } from '../../support/pull.ts'
import { gate, questionsTo } from '../scene.ts'
import { patientRedis, type Replicas, startReplicas } from './replicas.ts'

const name = 'answers of several replicas'
const mebibyte = 1024 * 1024
const repository = 'library/some'
const bytes = seededBytes('answers', 4 * mebibyte)
const blob = memoryBlob(bytes)
const secret = 'shared by all'

interface Stage extends AsyncDisposable {
  readonly hub: Hub
  readonly replicas: Replicas
}

async function stage(): Promise<Stage> {
  await using building = new AsyncDisposableStack()
  const hub = building.use(await startHub())
  const http = { addr: '127.0.0.1:0', secret }
  const proxy = { libraryprefix: true }
  const replicas = building.use(
    await startReplicas({ upstream: hub.url, redisKeys: patientRedis, ownFolders: true, proxy, config: { http } }),
  )
  const running = building.move()
  return { hub, replicas, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

const refusals: readonly (readonly [string, number, Omit<Rule, 'on' | 'times'> | undefined])[] = [
  ['there is no such blob', 404, undefined],
  ['too many requests', 429, { status: 429, retryAfterSeconds: 120 }],
  ['the Hub is broken', 502, { status: 500 }],
]

describe(name, await needsPackages(name, ['redis-server']), () => {
  for (const [what, status, fault] of refusals) {
    it(`${what}: clients of all replicas are told the same`, async () => {
      await using staged = await stage()
      const { hub, replicas } = staged
      hub.addBlob(repository, fault === undefined ? memoryBlob(seededBytes('another', 10)) : blob)
      const asked = gate()
      hub.script([{ on: { kind: 'blob' }, ...fault, holdUntil: asked.opened, times: Number.POSITIVE_INFINITY }])
      const answers = replicas.all.map((each) => questionsTo(() => each).blob(repository, blob.digest))
      for (const each of replicas.all) await questionsTo(() => each).arrived()
      asked.open()
      for (const answer of await Promise.all(answers)) {
        assert.equal(answer.status, status, answer.body.toString())
        if (status === 429) assert.ok(Number(answer.headers['retry-after']) > 60, answer.headers['retry-after'])
      }
      // A refusal is asked for again only by who was not told of it.
      assert.ok(hub.count({ kind: 'blob' }) <= 2 * replicas.all.length, hub.describeLedger())
      assert.equal(await replicas.redis.cli('EXISTS', `entrepot:lease:{fill:${blob.digest}}`), '0')
    })
  }

  it('upstream sends wrong bytes: no client of any replica gets a whole body, and nothing is kept', async () => {
    await using staged = await stage()
    const { hub, replicas } = staged
    hub.addBlob(repository, blob)
    const rest = gate()
    hub.script([
      { on: { kind: 'cdn' }, wrongBytes: true, stallAfterBytes: mebibyte, until: rest.opened },
      { on: { kind: 'cdn' }, wrongBytes: 0, times: 10 },
    ])
    const clients = await Promise.all(replicas.all.map((each) => questionsTo(() => each).openBlob(repository, blob.digest)))
    for (const client of clients) assert.equal((await client.readTo(mebibyte)).length, mebibyte)
    rest.open()
    for (const { body, ending } of await Promise.all(clients.map((client) => client.readAll()))) {
      assert.notEqual(ending, 'whole')
      assert.ok(body.length < blob.size)
    }
    hub.clearScript()
    for (const each of replicas.all) {
      const again = await questionsTo(() => each).blob(repository, blob.digest)
      assert.deepEqual([again.status, digestOf(again.body)], [200, blob.digest])
    }
  })

  it('a replica that follows is asked for the blob by the name of another repository', async () => {
    await using staged = await stage()
    const { hub, replicas } = staged
    hub.addBlob(repository, blob)
    hub.addBlob('library/other', blob)
    const rest = gate()
    hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: mebibyte, until: rest.opened }])
    const first = await questionsTo(() => replicas.a).openBlob(repository, blob.digest)
    await first.readTo(mebibyte)
    // As the first one that asks there, and as one that joins.
    const other = await questionsTo(() => replicas.b).openBlob('library/other', blob.digest)
    const joined = await questionsTo(() => replicas.b).openBlob(repository, blob.digest)
    // What the Hub says of a repository that it does not have is that nobody may see it.
    for (const each of replicas.all) {
      const refused = await questionsTo(() => each).blob('library/none', blob.digest)
      assert.equal(refused.status, 403, refused.body.toString())
    }
    rest.open()
    for (const { body, ending } of await Promise.all([first, other, joined].map((each) => each.readAll()))) {
      assert.deepEqual([ending, digestOf(body)], ['whole', blob.digest])
    }
    // At once, not when the stalled transfer has been given up.
    assert.equal(hub.count({ kind: 'cdn' }), 1, hub.describeLedger())
  })

  it('what one replica asks another is answered only for what runs there, only as it was signed, and only for a while', async () => {
    await using staged = await stage()
    const { hub, replicas } = staged
    hub.addBlob(repository, blob)
    const target = `/_cluster/v2/${repository}/blobs/${blob.digest}`
    const ask = (signature: string) => pull(`${replicas.a.url}${target}`, { headers: { [signatureHeader]: signature } })
    const now = Date.now()
    for (const signature of [
      signPeer('another secret', 'GET', target, now),
      signPeer(secret, 'HEAD', target, now),
      signPeer(secret, 'GET', `${target}0`, now),
      signPeer(secret, 'GET', target, now - 6 * 60_000),
      `${signPeer(secret, 'GET', target, now)},`,
    ]) {
      assert.equal((await ask(signature)).status, 403, signature)
    }
    // Signed well: nothing runs, so there is nothing, and nothing is begun.
    assert.equal((await ask(signPeer(secret, 'GET', target, now))).status, 404)
    assert.deepEqual(hub.ledger, [], hub.describeLedger())
  })
})

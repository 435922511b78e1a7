// `_state` is what an address of an upload is believed by: forged, exchanged, cut, and used again, it must open nothing.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { sealTicket } from '../../src/http/upload-ticket.ts'
import { type Answer, ask, type Asking, seededBytes } from '../http/serving.ts'
import { codesOf } from '../http/writing.ts'
import { digestOf } from '../support/images.ts'
import { startVictim, type Victim } from './victim.ts'

const secret = 'the secret of the victim'
const bytes = seededBytes(1000)
const digest = digestOf(bytes)
const octets = { 'content-type': 'application/octet-stream' }
const startedAt = Date.UTC(2026, 10, 21)

interface Upload {
  readonly repository: string
  readonly id: string
  readonly state: string
}

describe('the state of an upload', () => {
  let victim: Victim
  before(async () => void (victim = await startVictim({ config: { http: { addr: '127.0.0.1:0', secret } } })))
  after(() => victim[Symbol.asyncDispose]())

  const send = (path: string, asking: Asking = {}) => ask(victim.registry.port, path, asking)
  const uploadIn = (repository: string, { headers }: Answer): Upload => {
    const { pathname, searchParams } = new URL(String(headers['location']))
    return { repository, id: pathname.split('/').at(-1) ?? '', state: searchParams.get('_state') ?? '' }
  }
  const begin = async (repository: string) => uploadIn(repository, await send(`/v2/${repository}/blobs/uploads/`, { method: 'POST' }))
  const pathOf = ({ repository, id, state }: Upload) => `/v2/${repository}/blobs/uploads/${id}?_state=${encodeURIComponent(state)}`
  const patch = (upload: Upload, body: Buffer) => send(pathOf(upload), { method: 'PATCH', headers: octets, body })
  const finish = (upload: Upload) => send(`${pathOf(upload)}&digest=${digest}`, { method: 'PUT', headers: octets, body: '' })
  const sealed = (by: string, { repository, id }: Upload, offset = 0) => sealTicket(by, { repository, id, offset, startedAt })

  const forgeries: [string, (mine: Upload, other: Upload) => Upload][] = [
    ['of an upload of another repository', (mine, other) => ({ ...mine, state: other.state })],
    ['of another upload of this repository', (mine, other) => ({ ...mine, state: sealed(secret, { ...mine, id: other.id }) })],
    ['of its own, below another repository', (mine, other) => ({ ...mine, repository: other.repository })],
    ['of its own, before another upload', (mine, other) => ({ ...other, state: mine.state })],
    ['of another secret', (mine) => ({ ...mine, state: sealed('a secret of the attacker', mine) })],
    ['of an empty secret', (mine) => ({ ...mine, state: sealed('', mine) })],
    ['without its last byte', (mine) => ({ ...mine, state: mine.state.slice(0, -1) })],
    ['without its first half', (mine) => ({ ...mine, state: mine.state.slice(mine.state.length / 2) })],
    ['cut to its code', (mine) => ({ ...mine, state: mine.state.slice(0, 43) })],
    ['cut to nothing but padding', (mine) => ({ ...mine, state: '====' })],
    ['with a word behind it', (mine) => ({ ...mine, state: `${mine.state.replace(/=+$/, '')}AAAA` })],
    ['with one letter exchanged', (mine) => ({ ...mine, state: (mine.state.startsWith('A') ? 'B' : 'A') + mine.state.slice(1) })],
    ['with a code of SHA-512', (mine) => ({ ...mine, state: handmade('sha512', mine) })],
    [
      'without any code',
      (mine) => ({
        ...mine,
        state: Buffer.from(JSON.stringify({ Name: mine.repository, UUID: mine.id, Offset: 0 })).toString('base64url'),
      }),
    ],
    ['of a megabyte’s worth of letters', (mine) => ({ ...mine, state: 'A'.repeat(8_000) })],
  ]
  for (const [what, forge] of forgeries) {
    it(`${what} opens nothing, and the upload stays as it was`, async () => {
      const [mine, other] = [await begin('team/mine'), await begin('team/other')]
      const forged = forge(mine, other)
      for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
        const body = method.startsWith('P') ? { body: 'evil' } : {}
        const answer = await send(`${pathOf(forged)}&digest=${digest}`, { method, headers: octets, ...body })
        victim.assertSilent(what, answer)
        assert.deepEqual([method, answer.status], [method, 404])
        assert.match(codesOf(answer).join(), /^BLOB_UPLOAD_(?:INVALID|UNKNOWN)$/)
      }
      for (const upload of [mine, other]) {
        assert.deepEqual((await send(pathOf(upload))).headers['range'], '0-0', 'nothing came in')
      }
      assert.equal((await finish(uploadIn('team/mine', await patch(mine, bytes)))).status, 201)
      await victim.assertUnharmed()
    })
  }

  it('replayed: bytes do not come twice, and what is finished or given up is over', async () => {
    const first = await begin('team/mine')
    const second = uploadIn('team/mine', await patch(first, bytes))
    assert.equal((await patch(first, bytes)).status, 416, 'an address from before the bytes')
    assert.equal((await finish(second)).status, 201)
    for (const old of [first, second]) {
      for (const again of [
        await patch(old, bytes),
        await finish(old),
        await send(pathOf(old)),
        await send(pathOf(old), { method: 'DELETE' }),
      ]) {
        assert.deepEqual([again.status, codesOf(again)], [404, ['BLOB_UPLOAD_UNKNOWN']])
      }
    }
    const given = await begin('team/mine')
    assert.equal((await send(pathOf(given), { method: 'DELETE' })).status, 204)
    assert.deepEqual([(await patch(given, bytes)).status, (await finish(given)).status], [404, 404])
  })

  it('with an offset that was never reached is refused', async () => {
    const mine = await begin('team/mine')
    for (const offset of [1, bytes.length, Number.MAX_SAFE_INTEGER, -1]) {
      const { status } = await patch({ ...mine, state: sealed(secret, mine, offset) }, bytes)
      assert.ok(status === 404 || status === 416, `${offset}: ${status}`)
    }
    assert.equal((await patch(mine, bytes)).status, 202)
  })

  it('twice in one address counts once, and a digest of another blob ends nothing', async () => {
    const [mine, other] = [await begin('team/mine'), await begin('team/other')]
    const both = `${pathOf(mine)}&_state=${encodeURIComponent(other.state)}`
    assert.equal((await send(both, { method: 'PATCH', headers: octets, body: bytes })).status, 202, 'the first one counts')
    const wrong = digestOf(Buffer.from('another'))
    const answer = await send(`/v2/team/other/blobs/uploads/${other.id}?_state=${encodeURIComponent(other.state)}&digest=${wrong}`, {
      method: 'PUT',
      headers: octets,
      body: 'evil',
    })
    assert.deepEqual([answer.status, codesOf(answer)], [400, ['DIGEST_INVALID']])
    assert.equal((await send(`/v2/team/other/blobs/${wrong}`)).status, 404)
  })
})

function handmade(algorithm: string, { repository, id }: Upload): string {
  const text = Buffer.from(JSON.stringify({ Name: repository, UUID: id, Offset: 0, StartedAt: new Date(startedAt).toISOString() }))
  return Buffer.concat([createHmac(algorithm, secret).update(text).digest(), text]).toString('base64url')
}

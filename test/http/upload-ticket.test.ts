import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { describe, it } from 'node:test'
import { openTicket, sealTicket } from '../../src/http/upload-ticket.ts'

const ticket = { repository: 'library/nginx', id: '5d06a6bd-6f4c-4d8f-8f54-5d5f4f9a3c11', offset: 1234 }
const startedAt = Date.UTC(2026, 10, 21, 1, 38, 26, 120)

function sealedByHand(secret: string, text: string): string {
  const bytes = Buffer.concat([createHmac('sha256', secret).update(text).digest(), Buffer.from(text)])
  return bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_')
}

describe('a ticket', () => {
  it('is the HMAC and the JSON of distribution, in base64url with padding', () => {
    const text = `{"Name":"library/nginx","UUID":"${ticket.id}","Offset":1234,"StartedAt":"2026-11-21T01:38:26.12Z"}`
    assert.equal(sealTicket('s', { ...ticket, startedAt }), sealedByHand('s', text))
    for (let length = 1; length < 5; length += 1) {
      const sealed = sealTicket('s', { ...ticket, repository: 'a'.repeat(length), startedAt })
      assert.equal(sealed.length % 4, 0)
      assert.doesNotMatch(sealed, /[+/]/)
    }
  })

  for (const [ms, fraction] of [
    [0, ''],
    [500, '.5'],
    [120, '.12'],
    [123, '.123'],
    [10, '.01'],
  ] as const) {
    it(`writes ${ms} ms as Go does`, () => {
      const text = Buffer.from(sealTicket('s', { ...ticket, startedAt: Date.UTC(2026, 0, 1, 10, 20, 30, ms) }), 'base64url').subarray(32)
      assert.equal(JSON.parse(text.toString()).StartedAt, `2026-01-01T10:20:30${fraction}Z`)
    })
  }

  it('opens again, also one of distribution with nanoseconds and a zone', () => {
    assert.deepEqual(openTicket('s', sealTicket('s', { ...ticket, startedAt })), ticket)
    const text = `{"Name":"library/nginx","UUID":"${ticket.id}","Offset":1234,"StartedAt":"2026-11-21T02:38:26.123456789+01:00"}`
    assert.deepEqual(openTicket('s', sealedByHand('s', text)), ticket)
  })

  it('does not open with another secret, nor after any change', () => {
    const sealed = sealTicket('s', { ...ticket, startedAt })
    assert.equal(openTicket('t', sealed), undefined)
    const bytes = Buffer.from(sealed, 'base64url')
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ 1
      assert.equal(openTicket('s', changed.toString('base64url')), undefined)
    }
  })

  for (const text of ['', 'null', '[]', '{"Name":"a"}', '{"Name":1,"UUID":"x","Offset":0}', '{"Name":"a","UUID":"x","Offset":1.5}', '{']) {
    it(`is not ${JSON.stringify(text)}, though signed`, () => assert.equal(openTicket('s', sealedByHand('s', text)), undefined))
  }

  for (const junk of ['', 'x', '====', 'A'.repeat(43), '%', 'ä'.repeat(100)]) {
    it(`is not ${JSON.stringify(junk.slice(0, 10))}`, () => assert.equal(openTicket('s', junk), undefined))
  }
})

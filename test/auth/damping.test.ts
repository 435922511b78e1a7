import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Damping, networkOf } from '../../src/auth/damping.ts'

describe('damping', () => {
  it('counts IPv6 by its network of 64 bits', () => {
    assert.equal(networkOf('2001:db8::1'), networkOf('2001:0DB8:0:0:ffff::2'))
    assert.notEqual(networkOf('2001:db8::1'), networkOf('2001:db8:0:1::1'))
    assert.equal(networkOf('::1'), networkOf('::2'))
    assert.equal(networkOf('192.0.2.1'), '192.0.2.1')
    assert.equal(networkOf('-'), '-')
  })

  it('remembers a bounded number of addresses', () => {
    const damping = new Damping()
    for (let at = 0; at < 20; at += 1) damping.failed('192.0.2.1', 0)
    assert.ok(damping.retryAfterSeconds('192.0.2.1', 0) > 0)
    for (let at = 0; at < 10_000; at += 1) damping.failed(`10.${at >> 8}.${at & 255}.1`, 0)
    assert.equal(damping.retryAfterSeconds('192.0.2.1', 0), 0)
  })
})

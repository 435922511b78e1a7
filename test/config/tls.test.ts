import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { loadConfig } from '../../src/config/load.ts'

function load(tls: Record<string, unknown>) {
  const text = JSON.stringify({ version: 0.1, storage: { inmemory: {} }, http: { tls } })
  return loadConfig({ text, file: 'c.yml', env: {} }).warnings.map(({ path, message }) => `${path}: ${message}`)
}

const pair = { certificate: '/c.pem', key: '/k.pem' }

describe('http.tls', () => {
  it('cipher suites that nobody knows are named, and those that are gone', () => {
    assert.throws(
      () => load({ ...pair, ciphersuites: ['TLS_RSA_WITH_AES_128_GCM_SHA256', 'ECDHE-RSA-AES128-SHA'] }),
      /http\.tls\.ciphersuites\[1\]: found "ECDHE-RSA-AES128-SHA"; allowed: .*TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256/,
    )
    assert.match(load({ ...pair, ciphersuites: ['TLS_RSA_WITH_RC4_128_SHA'] }).join(), /TLS_RSA_WITH_RC4_128_SHA is not offered any more/)
    assert.match(load({ ...pair, minimumtls: 'tls1.3', ciphersuites: ['TLS_AES_128_GCM_SHA256'] }).join(), /has no effect with tls1\.3/)
    assert.deepEqual(load({ ...pair, ciphersuites: ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'] }), [])
  })

  it("certificate and key belong together, and exclude Let's Encrypt, which needs hosts", () => {
    assert.throws(() => load({ certificate: '/c.pem' }), /certificate and key must be given together/)
    assert.throws(() => load({ ...pair, letsencrypt: { hosts: ['a.b'] } }), /cannot be combined/)
    assert.throws(() => load({ letsencrypt: { email: 'a@b.c' } }), /letsencrypt\.hosts: missing/)
    assert.deepEqual(load({ letsencrypt: { hosts: ['a.b'], cachefile: '/x' } }), [])
  })
})

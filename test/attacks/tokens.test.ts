// Tokens whose headers lead elsewhere, or ask for another way of verifying: nobody is asked, and nothing is believed. What distribution
// refuses, too, is in auth/token-cases.ts.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { statusOf } from '../auth/serving-htpasswd.ts'
import { claimsOf, encoded, issuer, type Keyring, makeKeyring, service, tokenOf } from '../auth/signing.ts'
import { needsPackages } from '../support/packages.ts'
import { type Registry, startRegistry } from '../support/registry.ts'

const manifest = '/v2/team/app/manifests/1'
const pull = [{ type: 'repository', name: 'team/app', actions: ['pull'] }]

describe('tokens of attackers', await needsPackages('auth/bearer', ['openssl']), () => {
  let keys: Keyring
  let registry: Registry
  let stranger: Server
  let asked = 0

  before(async () => {
    keys = await makeKeyring()
    const token = { realm: 'https://t.example/token', service, issuer, rootcertbundle: keys.bundle }
    registry = await startRegistry({ config: { auth: { token } } })
    stranger = createServer((_req, res) => {
      asked += 1
      res.end(JSON.stringify({ keys: [{ ...keys.stranger.publicKey.export({ format: 'jwk' }), kid: 'evil' }] }))
    }).listen(0, '127.0.0.1')
    await once(stranger, 'listening')
  })
  after(async () => {
    stranger.close()
    await registry[Symbol.asyncDispose]()
    await keys[Symbol.asyncDispose]()
  })

  const bearer = (header: object, claims: object = claimsOf(pull)) =>
    `Bearer ${tokenOf(keys.stranger, claims, header as Record<string, unknown>)}`

  it('do not send us for their keys', async () => {
    const url = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}/keys`
    for (const header of [
      { jku: url },
      { x5u: url },
      { jku: url, kid: 'evil' },
      { jwk: { kid: 'evil', jku: url } },
      { kid: url },
      { iss: url, kid: 'evil' },
    ]) {
      assert.equal(await statusOf(registry, manifest, bearer(header)), 401, JSON.stringify(header))
    }
    assert.equal(asked, 0)
  })

  it('do not choose files, keys or rules by their headers', async () => {
    const good = { kid: keys.stranger.fingerprint }
    for (const header of [
      { kid: '../../../../dev/null' },
      { kid: "x' OR '1'='1" },
      { kid: '__proto__' },
      { kid: 'constructor' },
      { kid: ['a'] },
      { kid: { toString: 'a' } },
      { ...good, crit: ['b64'], b64: false },
      { ...good, crit: ['exp'] },
      { ...good, zip: 'DEF' },
      { ...good, typ: 'JWE', enc: 'A128GCM' },
      { x5c: [null, 1, {}] },
      { x5c: 'AAAA' },
      { x5c: Array.from({ length: 500 }, () => 'AAAA') },
      { jwk: { kty: 'oct', k: encoded('secret') } },
      { jwk: null },
      { jwk: [] },
    ]) {
      assert.equal(await statusOf(registry, manifest, bearer(header)), 401, JSON.stringify(header))
    }
  })

  it('are believed though they grant hundreds of things, if they are good, and then for these alone', async () => {
    const many = Array.from({ length: 300 }, (_, at) => ({ type: 'repository', name: `a/${at}`, actions: ['pull'] }))
    const token = `Bearer ${tokenOf(keys.ec, claimsOf([...many, ...pull]))}`
    assert.deepEqual([await statusOf(registry, manifest, token), await statusOf(registry, '/v2/a/300/tags/list', token)], [404, 401])
  })
})

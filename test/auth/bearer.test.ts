import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { thumbprint } from '../../src/auth/key-names.ts'
import type { Clock } from '../../src/lib/clock.ts'
import { TestClock } from '../support/clock.ts'
import { needsPackages } from '../support/packages.ts'
import { startRegistry } from '../support/registry.ts'
import { statusOf } from './serving-htpasswd.ts'
import { claimsOf, issuer, type Keyring, makeKeyring, now, service, type Signer, tokenOf, weakRsa } from './signing.ts'

const manifest = '/v2/team/app/manifests/1'
const pull = [{ type: 'repository', name: 'team/app', actions: ['pull'] }]

describe('tokens', await needsPackages('auth/bearer', ['openssl']), () => {
  let keys: Keyring
  before(async () => void (keys = await makeKeyring()))
  after(() => keys[Symbol.asyncDispose]())

  const start = (token: object, more: { clock?: Clock } = {}) =>
    startRegistry({ ...more, config: { auth: { token: { realm: 'https://t.example/token', service, issuer, ...token } } } })
  const bearer = (signer: Signer, more: object = {}, header?: Readonly<Record<string, unknown>>) =>
    `Bearer ${tokenOf(signer, claimsOf(pull, { ...more }), header)}`
  const signerOf = (key: KeyObject): Signer => ({ ...keys.rsa, key, publicKey: createPublicKey(key) })

  it('are for us when we are among those they are for', async () => {
    await using registry = await start({ rootcertbundle: keys.bundle })
    assert.equal(await statusOf(registry, manifest, bearer(keys.ec, { aud: ['other', service] })), 404)
    assert.equal(await statusOf(registry, manifest, bearer(keys.ec, { aud: ['other'] })), 401)
    assert.equal(await statusOf(registry, manifest, bearer(keys.ec, { aud: [] })), 401)
  })

  it('name their key as distribution 3 does, too', async () => {
    await using registry = await start({ rootcertbundle: keys.bundle })
    assert.equal(await statusOf(registry, manifest, bearer(keys.ec, {}, { kid: thumbprint(keys.ec.publicKey) })), 404)
  })

  it('are believed by a JSON Web Key Set, which may be exchanged', async () => {
    const jwks = join(keys.folder, 'jwks.json')
    const jwkOf = (signer: Signer, more: object) => ({ ...signer.publicKey.export({ format: 'jwk' }), ...more })
    await writeFile(
      jwks,
      JSON.stringify({ keys: [jwkOf(keys.ec, { kid: 'one', use: 'sig', alg: 'ES256' }), jwkOf(keys.rsa, { kid: 'two', alg: 'PS256' })] }),
    )
    const clock = new TestClock()
    await using registry = await start({ jwks }, { clock })
    const token = bearer(keys.ec, {}, { kid: 'one' })
    assert.equal(await statusOf(registry, manifest, token), 404)
    assert.equal(await statusOf(registry, manifest, bearer(keys.stranger, {}, { kid: 'one' })), 401)
    assert.equal(await statusOf(registry, manifest, bearer(keys.rsa, {}, { kid: 'two' })), 401, 'a key that is for another algorithm')
    await writeFile(jwks, JSON.stringify({ keys: [jwkOf(keys.stranger, { kid: 'one' })] }))
    clock.advance(1000)
    assert.equal(await statusOf(registry, manifest, token), 401, 'a token that was believed before')
    assert.equal(await statusOf(registry, manifest, bearer(keys.stranger, {}, { kid: 'one' })), 404)
  })

  it('are not believed any more once they have expired, however often they were before', async () => {
    const clock = new TestClock()
    await using registry = await start({ rootcertbundle: keys.bundle }, { clock })
    const token = bearer(keys.ec, { exp: now() + 100 })
    assert.equal(await statusOf(registry, manifest, token), 404)
    clock.advance(155_000)
    assert.equal(await statusOf(registry, manifest, token), 404, 'within the leeway')
    clock.advance(10_000)
    const answer = await fetch(registry.url + manifest, { headers: { authorization: token } })
    assert.match(answer.headers.get('www-authenticate') ?? '', /error="invalid_token"$/)
  })

  it('of weak keys, and of algorithms that are not configured, are refused', async () => {
    const weak = signerOf(weakRsa())
    const jwks = join(keys.folder, 'weak.json')
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    await writeFile(
      jwks,
      JSON.stringify({ keys: [{ ...weak.publicKey.export({ format: 'jwk' }), kid: 'weak' }, publicKey.export({ format: 'jwk' })] }),
    )
    await using registry = await start({ jwks, rootcertbundle: keys.bundle, signingalgorithms: ['RS256', 'HS256'] })
    assert.equal(await statusOf(registry, manifest, bearer(weak, {}, { kid: 'weak' })), 401)
    assert.equal(await statusOf(registry, manifest, bearer(keys.ec)), 401)
    assert.equal(await statusOf(registry, manifest, bearer(keys.rsa)), 404)
    assert.ok(registry.log.some((line) => line.includes('symmetric algorithms are never believed')))
  })

  it('can be got where this server is, as its client knows it', async () => {
    await using registry = await start({ rootcertbundle: keys.bundle, autoredirect: true, autoredirectpath: '/tokens' })
    const realmFor = async (headers: Record<string, string>) =>
      /realm="([^"]*)"/.exec((await fetch(`${registry.url}/v2/`, { headers })).headers.get('www-authenticate') ?? '')?.[1]
    assert.equal(await realmFor({}), `https://127.0.0.1:${registry.port}/tokens`)
    assert.equal(await realmFor({ 'x-forwarded-proto': 'http', 'x-forwarded-host': 'r.example' }), 'http://r.example/tokens')
    assert.equal(await realmFor({ 'x-forwarded-proto': 'https', 'x-forwarded-host': 'r.example:8443' }), 'https://r.example:8443/tokens')
  })

  it('need keys that can be used, which is told at the start by the configuration’s key', async () => {
    const jwks = join(keys.folder, 'bad.json')
    await assert.rejects(start({}), /auth\.token: needs rootcertbundle or jwks/)
    await assert.rejects(start({ rootcertbundle: join(keys.folder, 'none.pem') }), /auth\.token\.rootcertbundle: ENOENT/)
    await writeFile(jwks, JSON.stringify({ keys: [{ kty: 'oct', k: 'c2VjcmV0', kid: 'x' }] }))
    await assert.rejects(start({ jwks }), /auth\.token\.jwks: keys\[0\]: unsupported key type oct/)
    await writeFile(jwks, 'hello')
    await assert.rejects(start({ jwks }), /auth\.token\.jwks: .*JSON/)
    await assert.rejects(start({ rootcertbundle: keys.bundle, signingalgorithms: ['none'] }), /auth\.token\.signingalgorithms: found none/)
  })
})

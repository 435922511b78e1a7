import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { TestClock } from '../support/clock.ts'
import { needsPackages } from '../support/packages.ts'
import { addUser, basic, type Guarded, startGuarded, statusOf } from './serving-htpasswd.ts'

const manifest = '/v2/team/app/manifests/1'
const uploads = '/v2/team/app/blobs/uploads/'
const post = { method: 'POST' }
const auth = { anonymous: 'pull' }

async function tokenOf({ url }: Guarded, authorization?: string): Promise<string> {
  const headers: Record<string, string> = authorization === undefined ? {} : { authorization }
  const answer = await fetch(`${url}/auth/token?service=x&scope=repository:team/app:pull,push`, { headers })
  const { token, access_token, expires_in } = (await answer.json()) as Record<string, unknown>
  assert.deepEqual([answer.status, answer.headers.get('cache-control'), access_token, expires_in], [200, 'no-store', token, 300])
  return `Bearer ${String(token)}`
}

describe('anonymous pulls beside pushes of users', await needsPackages('auth/anonymous', ['apache2-utils']), () => {
  it('without a name one may pull, and gets a challenge for all else', async () => {
    await using registry = await startGuarded({ alice: 'a' }, { auth })
    assert.equal(await statusOf(registry, manifest), 404)
    assert.equal(await statusOf(registry, uploads, undefined, post), 401)
    assert.equal(await statusOf(registry, '/v2/_catalog'), 401)
    const ping = await fetch(`${registry.url}/v2/`)
    const host = `127.0.0.1:${registry.port}`
    assert.deepEqual(
      [ping.status, ping.headers.get('www-authenticate')],
      [401, `Bearer realm="http://${host}/auth/token",service="${host}"`],
    )
    assert.equal(await statusOf(registry, uploads, basic('alice', 'a'), post), 202, 'a password serves as well')
    assert.equal(await statusOf(registry, manifest, basic('alice', 'wrong')), 401, 'a wrong one is not taken for none')
  })

  it('a token for nobody pulls, a token for a user does what the user may', async () => {
    await using registry = await startGuarded(
      { alice: 'a', bob: 'b' },
      { auth: { ...auth, access: [{ actions: 'pull' }, { user: 'alice', actions: '*' }] } },
    )
    const nobody = await tokenOf(registry)
    assert.equal(await statusOf(registry, '/v2/', nobody), 200)
    assert.equal(await statusOf(registry, manifest, nobody), 404)
    const refused = await fetch(registry.url + uploads, { ...post, headers: { authorization: nobody } })
    assert.equal(refused.status, 401)
    assert.match(refused.headers.get('www-authenticate') ?? '', /,scope="repository:team\/app:pull,push",error="insufficient_scope"$/)
    assert.equal(await statusOf(registry, uploads, await tokenOf(registry, basic('alice', 'a')), post), 202)
    assert.equal(await statusOf(registry, uploads, await tokenOf(registry, basic('bob', 'b')), post), 403)
    assert.equal(await statusOf(registry, '/auth/token', basic('alice', 'wrong')), 401)
    assert.equal(await statusOf(registry, '/auth/token', undefined, post), 405)
  })

  it('a token ends with its time, its user and its password', async () => {
    const clock = new TestClock()
    await using registry = await startGuarded({ alice: 'a' }, { auth, clock })
    const token = await tokenOf(registry, basic('alice', 'a'))
    assert.equal(await statusOf(registry, uploads, token, post), 202)
    await addUser(registry.file, 'alice', 'other')
    clock.advance(1000)
    assert.equal(await statusOf(registry, uploads, token, post), 401)
    const next = await tokenOf(registry, basic('alice', 'other'))
    assert.equal(await statusOf(registry, uploads, next, post), 202)
    clock.advance(300_000)
    assert.equal(await statusOf(registry, uploads, next, post), 401)
  })

  it('tokens that are not ours are no tokens; replicas with one secret believe each other', async () => {
    const config = { http: { addr: '127.0.0.1:0', secret: 'shared' } }
    await using registry = await startGuarded({ alice: 'a' }, { auth, config })
    await using replica = await startGuarded({}, { auth: { ...auth, htpasswd: { realm: 'test', path: registry.file } }, config })
    await using stranger = await startGuarded({}, { auth: { ...auth, htpasswd: { realm: 'test', path: registry.file } } })
    const token = await tokenOf(registry, basic('alice', 'a'))
    assert.equal(await statusOf(replica, uploads, token, post), 202)
    assert.equal(await statusOf(stranger, uploads, token, post), 401)
    const [payload = '', signature = ''] = token.slice('Bearer '.length).split('.')
    const forged = Buffer.from(
      Buffer.from(payload, 'base64url')
        .toString()
        .replace(/\d+/, (at) => `${at}0`),
    ).toString('base64url')
    for (const bad of [
      `${forged}.${signature}`,
      `${payload}.`,
      payload,
      `${payload}.${signature}.x`,
      '.',
      '',
      `${payload}.${signature}A`,
    ]) {
      assert.equal(await statusOf(registry, manifest, `Bearer ${bad}`), 401, bad)
    }
  })

  it('behind a proxy the realm is where the client is', async () => {
    await using registry = await startGuarded({ alice: 'a' }, { auth, config: { http: { addr: '127.0.0.1:0', prefix: '/registry/' } } })
    const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'r.example' }
    const challenge = (await fetch(`${registry.url}/registry/v2/`, { headers })).headers.get('www-authenticate')
    assert.equal(challenge, 'Bearer realm="https://r.example/registry/auth/token",service="r.example"')
    assert.equal(await statusOf(registry, '/registry/auth/token'), 200)
  })
})

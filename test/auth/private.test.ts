// Callers of a mirror that asks upstream about them: challenges, tokens, connections without TLS, and users who stand for an account.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { needsPackages } from '../support/packages.ts'
import { startRegistry } from '../support/registry.ts'
import { alice, all, bob, open, secret, startPrivate, ttlMs } from '../scenarios/private.ts'
import { addUser, basic, startGuarded, statusOf } from './serving-htpasswd.ts'

const manifest = '/v2/secret/app/manifests/1'
const wrong = basic('alice', 'guess')
const http = { addr: '127.0.0.1:0', secret: 'shared' }

describe('logging in with upstream credentials', () => {
  it('the ping and what is private point to tokens of this server, which holds for every kind of client', async () => {
    await using scene = await startPrivate()
    const host = `127.0.0.1:${scene.registry.port}`
    const challenge = `Bearer realm="http://${host}/auth/token",service="${host}"`
    const ping = await scene.get('/v2/')
    assert.deepEqual([ping.status, ping.headers['www-authenticate']], [401, challenge])
    const refused = await scene.get(manifest)
    assert.deepEqual([refused.status, refused.headers['www-authenticate']], [401, `${challenge},scope="repository:secret/app:pull"`])
    const over = await scene.get('/v2/', 'Bearer x.y.z')
    assert.deepEqual([over.status, over.headers['www-authenticate']], [401, `${challenge},error="invalid_token"`])
    for (const who of [await scene.tokenFor(), await scene.tokenFor(alice), alice]) assert.equal((await scene.get('/v2/', who)).status, 200)
    assert.equal((await scene.get('/v2/', wrong)).status, 401)
    assert.equal((await scene.get('/auth/token', basic('', ''))).status, 200, 'an empty name is none')
  })

  it('a login is told at once whether it is right, and a wrong one is not tried again', async () => {
    await using scene = await startPrivate()
    assert.equal((await scene.get('/auth/token', alice)).status, 200)
    scene.hub.clearLedger()
    for (let time = 0; time < 10; time += 1) {
      assert.equal((await scene.get('/auth/token', wrong)).status, 401)
      assert.deepEqual(await scene.statuses('secret/app', secret, wrong), all(401))
    }
    assert.equal(scene.hub.count({ kind: 'token', account: 'alice' }), 1, 'more would lock alice out')
    assert.equal((await scene.get(manifest, alice)).status, 200)
  })

  it('an address that guesses is slowed down; who holds a token is not', async () => {
    await using scene = await startPrivate()
    const token = await scene.tokenFor(alice)
    const statuses = []
    for (let at = 0; at < 24; at += 1) statuses.push((await scene.get('/auth/token', basic(`user${at}`, 'x'))).status)
    assert.deepEqual([statuses[0], statuses.at(-1)], [401, 429])
    assert.deepEqual(await scene.statuses('secret/app', secret, token), all(200))
    assert.deepEqual(await scene.statuses('open/app', open, wrong), all(200))
  })

  it('a token hides its password, ends after five minutes, and is believed by replicas with the same secret alone', async () => {
    await using scene = await startPrivate({ config: { http } })
    const token = await scene.tokenFor(alice)
    for (const part of token.split('.')) assert.doesNotMatch(Buffer.from(part, 'base64url').toString('latin1'), /alice|wonder/)
    const proxy = { username: 'mirror', password: 'm', authorization: 'upstream', authorizationinsecure: true }
    const options = { upstream: scene.hub.url, proxy, clock: scene.clock }
    await using replica = await startRegistry({ ...options, config: { http } })
    await using stranger = await startRegistry({ ...options, config: { http: { ...http, secret: 'other' } } })
    assert.equal(await statusOf(replica, manifest, token), 200)
    assert.equal(await statusOf(stranger, manifest, token), 401)
    const [head = '', ...rest] = token.split('.')
    for (const forged of [`${head}A.${rest.join('.')}`, token.slice(0, -2), `${token}A`, `${head}....`]) {
      assert.equal(await statusOf(replica, manifest, forged), 401, forged)
    }
    scene.later(ttlMs)
    assert.equal(await statusOf(replica, manifest, token), 401)
    assert.equal(await statusOf(replica, '/v2/', token), 401)
  })

  it('without TLS nobody is asked for credentials, and those that come are not looked at', async () => {
    await using scene = await startPrivate({ proxy: { authorizationinsecure: false } })
    assert.match(scene.registry.log.join(''), /without http\.tls private images are served only to clients of a trusted proxy/)
    assert.equal((await scene.get('/v2/')).status, 200)
    assert.deepEqual(await scene.statuses('open/app', open, alice), all(200))
    for (const who of [undefined, alice]) {
      const refused = await scene.get(manifest, who)
      assert.deepEqual([refused.status, refused.headers['www-authenticate']], [403, undefined])
    }
    assert.equal((await scene.get('/auth/token', alice)).status, 401)
    assert.deepEqual(scene.hub.find({ kind: 'token', account: 'alice' }), [])
    const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'r.example' }
    const ping = await fetch(`${scene.registry.url}/v2/`, { headers })
    assert.equal(ping.headers.get('www-authenticate'), 'Bearer realm="https://r.example/auth/token",service="r.example"')
    const pulled = await fetch(scene.registry.url + manifest, { headers: { ...headers, authorization: alice } })
    assert.equal(pulled.status, 200)
  })

  it('an upstream that asks for Basic, and one that is another registry than the main one', async () => {
    await using elsewhere = await startPrivate()
    await using scene = await startPrivate({
      hub: { auth: 'basic' },
      proxy: { upstreams: { [new URL(elsewhere.hub.url).host]: { remoteurl: elsewhere.hub.url, username: 'mirror', password: 'm' } } },
    })
    assert.deepEqual(await scene.statuses('secret/app', secret, alice), all(200))
    assert.deepEqual(await scene.statuses('secret/app', secret, bob), all(403))
    assert.deepEqual(await scene.statuses('secret/app', secret), all(401))
    for (const [who, status] of [
      [alice, 200],
      [wrong, 401],
    ] as const) {
      assert.equal((await scene.get('/auth/token', who)).status, status)
      assert.equal((await scene.get('/v2/', who)).status, status)
    }
    elsewhere.hub.clearLedger()
    const host = new URL(elsewhere.hub.url).host
    assert.deepEqual(await scene.statuses(`${host}/open/app`, open, alice), all(200))
    assert.deepEqual(await scene.statuses(`${host}/secret/app`, secret, alice), all(403))
    assert.deepEqual(elsewhere.hub.find({ kind: 'token', account: 'alice' }), [], 'credentials for one registry are shown to no other')
  })
})

describe('users who stand for an account upstream', await needsPackages('auth/private', ['apache2-utils']), () => {
  it('each reads what his account reads, and who has none what is public', async () => {
    await using guarded = await startGuarded({ anna: 'a', ben: 'b', cleo: 'c' })
    await addUser(guarded.file, 'anna', 'a')
    const accounts = { anna: { username: 'alice', password: 'wonder' }, ben: { username: 'bob', password: 'builder' } }
    const auth = { htpasswd: { realm: 'test', path: guarded.file } }
    await using scene = await startPrivate({ config: { auth }, proxy: { accounts } })
    for (const [who, status] of [
      [basic('anna', 'a'), 200],
      [basic('ben', 'b'), 403],
      [basic('cleo', 'c'), 403],
      [undefined, 401],
      [alice, 401],
    ] as const) {
      assert.deepEqual(await scene.statuses('secret/app', secret, who), all(status), who)
      assert.deepEqual(await scene.statuses('open/app', open, who), all(status === 401 ? 401 : 200), who)
    }
    const { body } = await scene.get('/v2/_catalog', basic('ben', 'b'))
    assert.deepEqual(JSON.parse(body.toString()), { repositories: ['open/app'] })
  })

  it('what does not go together is refused at the start', async () => {
    const proxy = { authorization: 'upstream' }
    const upstream = 'http://127.0.0.1:9'
    await assert.rejects(
      startRegistry({ upstream, proxy: { ...proxy, offline: true } }),
      /proxy\.authorization: found upstream, and proxy\.offline/,
    )
    const accounts = { anna: { username: 'alice', password: 'wonder' } }
    await assert.rejects(startRegistry({ upstream, proxy: { ...proxy, accounts } }), /proxy\.accounts: needs auth/)
  })
})

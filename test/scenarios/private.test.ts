// Private images on a mirror that many use: read by those alone who may read them upstream, whatever is cached here.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { until } from '../support/until.ts'
import { basic } from '../auth/serving-htpasswd.ts'
import { startRegistry } from '../support/registry.ts'
import { pushImage } from '../support/servers/push.ts'
import { ociImage } from '../support/images.ts'
import { alice, all, bob, mayRead, open, secret, startPrivate, ttlMs } from './private.ts'
import { layerIn } from './scene.ts'

const wrong = basic('alice', 'guess')

describe('private images', () => {
  for (const how of ['cold', 'cached']) {
    test(`alice pulls; bob, wrong credentials and nobody do not (${how})`, async () => {
      await using scene = await startPrivate()
      if (how === 'cached') assert.deepEqual(await scene.statuses('secret/app', secret, alice), all(200))
      const [aliceToken, bobToken, nobody] = [await scene.tokenFor(alice), await scene.tokenFor(bob), await scene.tokenFor()]
      const refused: readonly (readonly [string | undefined, number])[] = [
        [undefined, 401],
        [wrong, 401],
        ['Bearer nonsense', 401],
        [bob, 403],
        [bobToken, 403],
        [nobody, 403],
      ]
      for (const [who, status] of refused) assert.deepEqual(await scene.statuses('secret/app', secret, who), all(status), who)
      assert.deepEqual(await scene.statuses('secret/app', secret, aliceToken), all(200))
      for (const [who, status] of refused) assert.deepEqual(await scene.statuses('secret/app', secret, who), all(status), who)
      for (const path of ['tags/list', `referrers/${secret.manifest.digest}`]) {
        for (const [who, status] of refused) assert.equal((await scene.get(`/v2/secret/app/${path}`, who)).status, status, path)
        assert.equal((await scene.get(`/v2/secret/app/${path}`, alice)).status, 200, path)
      }
    })
  }

  test('what is known by its digest is not had through another repository', async () => {
    await using scene = await startPrivate({ proxy: { local: ['ours/**'] } })
    assert.deepEqual(await scene.statuses('secret/app', secret, alice), all(200))
    const { digest } = layerIn(secret)
    for (const who of [undefined, bob, wrong]) {
      assert.deepEqual(await scene.statuses('open/app', secret, who), [200, 404, 404, 200, 404, 404])
      assert.equal((await scene.get(`/v2/ours/app/blobs/${digest}`, who)).status, 404)
    }
    scene.hub.add('locked/app', secret, { private: true, tags: ['1'] })
    mayRead(scene, 'mirror', 'm', 'secret/app', 'locked/app')
    assert.deepEqual(await scene.statuses('locked/app', secret, alice), all(403), 'a grant is for one repository')
    const mount = async (from: string, headers = {}) =>
      (await fetch(`${scene.registry.url}/v2/ours/app/blobs/uploads/?mount=${digest}${from}`, { method: 'POST', headers })).status
    const main = new URL(scene.hub.url).host
    for (const from of [
      'secret/app',
      'secret%2Fapp',
      's%2565cret/app',
      `secret/app&ns=${main}`,
      'secret/app&from=open/app',
      `${main}/secret/app`,
    ]) {
      assert.equal(await mount(`&from=${from}`), 401, from)
      assert.equal(await mount(`&from=${from}`, { authorization: bob }), 403, from)
      assert.equal(await mount(`&from=${from}`, { authorization: await scene.tokenFor() }), 403, from)
    }
    for (const from of ['', '&from=open/app', '&from=open/app&from=secret/app', '&from=secret%252Fapp', '&from=../secret/app']) {
      assert.equal(await mount(from), 202, `the bytes are wanted: ${from}`)
      assert.equal(await mount(from, { authorization: bob }), 202, `the bytes are wanted: ${from}`)
    }
    assert.equal((await scene.get(`/v2/ours/app/blobs/${digest}`, alice)).status, 404)
    assert.equal(await mount('&from=secret/app', { authorization: alice }), 201)
  })

  test('public images are everybody’s, whatever is sent along, and asking whether they are is done once', async () => {
    await using scene = await startPrivate()
    for (const who of [undefined, wrong, bob, alice, 'Bearer nonsense', 'Basic ###', await scene.tokenFor()])
      assert.deepEqual(await scene.statuses('open/app', open, who), all(200), who)
    assert.equal((await scene.get('/v2/open/app/manifests/none')).status, 404)
    assert.equal(scene.hub.count({ kind: 'tags', status: 200 }), 1, scene.hub.describeLedger())
    const asked = scene.hub.ledger.filter(({ account }) => account !== undefined && account !== 'mirror')
    assert.deepEqual(asked, [], 'nobody’s credentials have gone upstream')
  })

  test('by whatever name a repository is called, it is the same', async () => {
    await using scene = await startPrivate({ config: { http: { addr: '127.0.0.1:0', prefix: '/pfx/' } } })
    assert.equal((await scene.get('/pfx/v2/secret/app/manifests/1', alice)).status, 200)
    const host = new URL(scene.hub.url).host
    const { digest } = secret.manifest
    for (const name of [
      'secret/app',
      'secret%2Fapp',
      '%73ecret/app',
      `${host}/secret/app`,
      `${host.toUpperCase()}/secret/app`,
      'secret//app',
      './secret/app',
      'x/../secret/app',
    ]) {
      for (const query of ['', `?ns=${host}`, '?ns=', '?ns=docker.io', '?ns=ghcr.io', `?ns=${host}&ns=ghcr.io`]) {
        for (const prefix of ['/pfx/v2/', '/v2/pfx/']) {
          for (const who of [undefined, bob]) {
            const { status, body } = await scene.get(`${prefix}${name}/manifests/${digest}${query}`, who)
            assert.ok(status >= 400 && status < 500, `${prefix}${name}${query} as ${who}: ${status}`)
            assert.doesNotMatch(body.toString(), /layers/)
          }
        }
      }
    }
  })

  test('a repository that the mirror does not serve is refused without a question', async () => {
    await using scene = await startPrivate({ proxy: { repositories: { deny: ['**/open/*'] } } })
    assert.deepEqual(await scene.statuses('open/app', open), all(401))
    assert.deepEqual(await scene.statuses('open/app', open, alice), all(403))
    assert.deepEqual(scene.hub.find({ repository: 'open/app' }), [])
  })

  test('a cache between is told whose is whose', async () => {
    await using scene = await startPrivate()
    const secrets = await scene.get(`/v2/secret/app/blobs/${layerIn(secret).digest}`, alice)
    assert.equal(secrets.headers['cache-control'], 'private, max-age=31536000')
    const opens = await scene.get(`/v2/open/app/blobs/${layerIn(open).digest}`, alice)
    assert.equal(opens.headers['cache-control'], 'max-age=31536000')
  })

  test('a grant ends with its time, and one that is revoked is not given again; the others keep theirs', async () => {
    await using scene = await startPrivate()
    mayRead(scene, 'carol', 'c', 'secret/app')
    const carol = basic('carol', 'c')
    for (const who of [alice, carol]) assert.deepEqual(await scene.statuses('secret/app', secret, who), all(200))
    mayRead(scene, 'alice', 'wonder')
    scene.hub.clearLedger()
    assert.deepEqual(await scene.statuses('secret/app', secret, alice), all(200), 'for so long it is believed')
    assert.equal(scene.hub.count({ kind: 'tags' }), 0)
    scene.later(ttlMs)
    assert.deepEqual(await scene.statuses('secret/app', secret, alice), all(403))
    assert.deepEqual(await scene.statuses('secret/app', secret, carol), all(200))
    mayRead(scene, 'alice', 'other', 'secret/app')
    scene.later(ttlMs)
    assert.deepEqual(await scene.statuses('secret/app', secret, alice), all(401), 'a password that is not right any more')
    assert.deepEqual(await scene.statuses('secret/app', secret, basic('alice', 'other')), all(200))
    assert.deepEqual(await scene.statuses('secret/app', secret, carol), all(200))
  })

  test('what becomes private is so when its time is over, and what becomes public soon', async () => {
    await using scene = await startPrivate()
    assert.deepEqual(await scene.statuses('open/app', open), all(200))
    assert.deepEqual(await scene.statuses('secret/app', secret), all(401))
    scene.hub.add('open/app', open, { private: true })
    scene.hub.add('secret/app', secret, { private: false })
    scene.later(ttlMs)
    assert.deepEqual(await scene.statuses('open/app', open), all(401))
    assert.deepEqual(await scene.statuses('secret/app', secret), all(200))
  })

  test('while the Hub is down: grants live on for a bounded while, what is public longer, and nobody gets more', async () => {
    await using scene = await startPrivate()
    assert.deepEqual(await scene.statuses('secret/app', secret, alice), all(200))
    assert.deepEqual(await scene.statuses('open/app', open), all(200))
    assert.deepEqual(await scene.statuses('secret/app', secret, bob), all(403))
    await scene.hub.down()
    scene.later(ttlMs)
    for (let round = 0; round < 2; round += 1) {
      assert.deepEqual(await scene.statuses('secret/app', secret, alice), all(200))
      assert.deepEqual(await scene.statuses('open/app', open), all(200))
      assert.deepEqual(await scene.statuses('secret/app', secret), all(401))
      for (const who of [bob, basic('carol', 'c'), wrong]) assert.deepEqual(await scene.statuses('secret/app', secret, who), all(403), who)
      const elsewhere = await scene.statuses('open/app', secret, bob)
      assert.deepEqual(
        [elsewhere[1], elsewhere[2]].filter((status) => (status ?? 0) < 400),
        [],
      )
      scene.later(ttlMs)
    }
    scene.later(12 * ttlMs)
    assert.deepEqual(await scene.statuses('secret/app', secret, alice), all(403), 'the grace is over')
    assert.deepEqual(await scene.statuses('open/app', open), all(200))
  })

  test('ten at once: each gets what is his, and upstream is asked once for each', async () => {
    await using scene = await startPrivate()
    const users = Array.from({ length: 10 }, (_, at) => `user${at}`)
    for (const [at, user] of users.entries()) mayRead(scene, user, 'p', ...(at % 2 === 0 ? ['secret/app'] : []))
    const rounds = await Promise.all(
      users.flatMap((user) => [1, 2, 3].map(async () => scene.statuses('secret/app', secret, basic(user, 'p')))),
    )
    for (const [at, statuses] of rounds.entries()) assert.deepEqual(statuses, all(Math.floor(at / 3) % 2 === 0 ? 200 : 403))
    for (const user of users) assert.ok(scene.hub.count({ kind: 'token', account: user }) <= 1, user)
  })

  test('the catalog and search name what is ours and what is public', async () => {
    await using scene = await startPrivate({ proxy: { local: ['ours/**'] } })
    await pushImage(scene.registry, 'ours/app', ociImage({ seed: 'ours' }), ['1'])
    await scene.statuses('secret/app', secret, alice)
    await scene.statuses('open/app', open)
    for (const who of [undefined, alice, bob]) {
      const names = JSON.parse((await scene.get('/v2/_catalog', who)).body.toString()) as unknown
      assert.deepEqual(names, { repositories: ['open/app', 'ours/app'] })
    }
    const page = await scene.get('/v2/_catalog?n=1')
    assert.deepEqual(JSON.parse(page.body.toString()), { repositories: ['open/app'] })
    assert.match(page.headers['link'] ?? '', /last=open%2Fapp/)
    const found = JSON.parse((await scene.get('/v1/search?q=app')).body.toString()) as { results: { name: string }[] }
    assert.deepEqual(
      found.results.map(({ name }) => name),
      ['open/app', 'ours/app'],
    )
  })

  test('what is old is asked for again before anybody has to wait', async () => {
    await using scene = await startPrivate()
    await scene.statuses('open/app', open)
    scene.later(0.6 * ttlMs)
    scene.hub.clearLedger()
    await scene.statuses('open/app', open)
    await until('it was asked again', () => scene.hub.count({ kind: 'tags', status: 200 }) === 1)
    scene.hub.script([{ on: { kind: 'tags' }, hang: true, times: Infinity }])
    scene.later(0.45 * ttlMs)
    assert.deepEqual(await scene.statuses('open/app', open), all(200), 'past the time of the first answer')
  })

  test('a mirror that shares everything says so when it starts', async () => {
    const words = /whoever reaches this mirror can pull whatever its upstream account can read/
    const proxy = { username: 'mirror', password: 'm' }
    await using shared = await startRegistry({ upstream: 'http://127.0.0.1:9', proxy })
    assert.match(shared.log.join(''), words)
    await using anonymous = await startRegistry({ upstream: 'http://127.0.0.1:9' })
    assert.doesNotMatch(anonymous.log.join(''), words)
  })
})

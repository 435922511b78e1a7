// Private images on replicas: what is public one of them learns for all, and each believes the others' tokens.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { basic, statusOf } from '../auth/serving-htpasswd.ts'
import { startHub } from '../support/hub/hub.ts'
import { needsPackages } from '../support/packages.ts'
import { until } from '../support/until.ts'
import { open, secret } from './private.ts'
import { startReplicas } from './replicas/replicas.ts'

const name = 'private images on replicas'

describe(name, await needsPackages(name, ['redis-server']), () => {
  it('whether a repository is public is asked once; tokens hold everywhere; nothing of a password is in Redis', async () => {
    await using hub = await startHub({ quota: undefined })
    hub.add('secret/app', secret, { private: true, tags: ['1'] })
    hub.add('open/app', open, { tags: ['1'] })
    for (const [user, password] of [
      ['mirror', 'm'],
      ['alice', 'wonder'],
    ] as const) {
      hub.addAccount(user, password, { limit: 'unlimited', mayPull: ['secret/app'] })
    }
    const proxy = { username: 'mirror', password: 'm', authorization: 'upstream', authorizationinsecure: true }
    await using replicas = await startReplicas({ upstream: hub.url, proxy })
    const { a, b, c, redis } = replicas
    const key = 'entrepot:fact:access:open/app'
    assert.equal(await statusOf(a, '/v2/open/app/manifests/1'), 200)
    await until('the others can know', async () => (await redis.cli('GET', key)).trim() !== '')
    for (const each of [b, c]) assert.equal(await statusOf(each, '/v2/open/app/manifests/1'), 200)
    assert.equal(hub.count({ kind: 'tags', repository: 'open/app', status: 200 }), 1, hub.describeLedger())
    const answer = await fetch(`${a.url}/auth/token`, { headers: { authorization: basic('alice', 'wonder') } })
    const { token } = (await answer.json()) as { token: string }
    for (const each of replicas.all) assert.equal(await statusOf(each, '/v2/secret/app/manifests/1', `Bearer ${token}`), 200)
    for (const each of replicas.all) assert.equal(await statusOf(each, '/v2/secret/app/manifests/1'), 401)
    const keys = (await redis.cli('KEYS', '*')).trim().split('\n')
    assert.ok(keys.includes(key))
    for (const fact of keys.filter((each) => each.startsWith('entrepot:fact:'))) {
      assert.doesNotMatch(`${fact} ${await redis.cli('GET', fact)}`, /alice|wonder/)
    }
  })
})

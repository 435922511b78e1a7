// Blobs do not wander into repositories of people who may not read them.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf } from '../support/images.ts'
import { needsPackages } from '../support/packages.ts'
import { basic, startGuarded, statusOf } from './serving-htpasswd.ts'

const alice = basic('alice', 'a')
const bob = basic('bob', 'b')

describe('mounts with access rules', await needsPackages('auth/mounts', ['apache2-utils']), () => {
  it('need the right to pull from the other repository, which has to be named', async () => {
    const access = [
      { user: 'alice', repository: ['secret/**', 'open/**'], actions: '*' },
      { user: 'bob', repository: 'open/**', actions: '*' },
    ]
    await using registry = await startGuarded({ alice: 'a', bob: 'b' }, { auth: { access } })
    const bytes = Buffer.from('what bob must not see')
    const digest = digestOf(bytes)
    const post = (path: string, authorization: string, body?: Buffer) =>
      statusOf(registry, path, authorization, { method: 'POST', ...(body === undefined ? {} : { body: new Uint8Array(body) }) })
    assert.equal(await post(`/v2/secret/app/blobs/uploads/?digest=${digest}`, alice, bytes), 201)
    for (const from of ['secret/app', 'secret%2Fapp', 'secr%2565t/app', 'secret/app&from=open/app', 'secret/app&ns=docker.io']) {
      assert.equal(await post(`/v2/open/app/blobs/uploads/?mount=${digest}&from=${from}`, bob), 403, from)
    }
    assert.equal(await post(`/v2/open/app/blobs/uploads/?mount=${digest}&from=open/app&from=secret/app`, bob), 202)
    assert.equal(await post(`/v2/open/app/blobs/uploads/?mount=${digest}`, bob), 202)
    assert.equal(await statusOf(registry, `/v2/open/app/blobs/${digest}`, bob), 404)
    assert.equal(await post(`/v2/open/app/blobs/uploads/?mount=${digest}&from=secret/app`, alice), 201)
    assert.equal(await statusOf(registry, `/v2/open/app/blobs/${digest}`, bob), 200)
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Action, Principal } from '../../src/auth/access.ts'
import { type AccessRule, compileRules } from '../../src/auth/rules.ts'
import type { RepositoryName } from '../../src/oci/names.ts'
import { needsPackages } from '../support/packages.ts'
import { startRegistry } from '../support/registry.ts'
import { basic, startGuarded, statusOf } from './serving-htpasswd.ts'

const alice: Principal = { name: 'alice', groups: ['devs'] }
const bob: Principal = { name: 'bob', groups: [] }
const nobody: Principal = { name: undefined, groups: [] }

function rule(more: Partial<AccessRule>): AccessRule {
  return { user: [], group: [], repository: [], actions: ['pull'], ...more }
}

function repository(name: string, ...actions: Action[]) {
  return [{ kind: 'repository', repository: name as RepositoryName, asked: name as RepositoryName, actions }] as const
}

describe('access rules', () => {
  it('without any, whoever is logged in may do everything', () => {
    const mayDo = compileRules({ rules: [], anonymous: 'none' })
    assert.ok(mayDo(bob, repository('a', 'pull', 'push')))
    assert.ok(mayDo(bob, [{ kind: 'catalog' }]))
    assert.ok(!mayDo(nobody, repository('a', 'pull')))
    assert.ok(!mayDo(nobody, [{ kind: 'ping' }]))
  })

  it('each wanted action needs a rule of the caller', () => {
    const rules = [
      rule({ user: ['alice'], repository: ['team/**'], actions: ['push'] }),
      rule({ group: ['devs'], repository: ['shared/*'], actions: ['*'] }),
      rule({ user: ['*'], repository: ['public/**'] }),
    ]
    const mayDo = compileRules({ rules, anonymous: 'none' })
    assert.ok(mayDo(alice, repository('team/a/b', 'pull', 'push')))
    assert.ok(!mayDo(alice, repository('team/a', 'delete')))
    assert.ok(!mayDo(bob, repository('team/a', 'pull')))
    assert.ok(mayDo(alice, repository('shared/x', 'delete')))
    assert.ok(!mayDo(alice, repository('shared/x/y', 'pull')))
    assert.ok(mayDo(bob, repository('public/x', 'pull')))
    assert.ok(!mayDo(bob, repository('public/x', 'push')))
    assert.ok(mayDo(bob, [{ kind: 'ping' }]))
    assert.ok(!mayDo(alice, [...repository('team/a', 'push'), ...repository('secret/b', 'pull')]), 'a mount from where one may not pull')
  })

  it('names of all repositories are for those who may pull them all', () => {
    const rules = [rule({ user: ['alice'], repository: ['team/**'] }), rule({ user: ['bob'], repository: ['**'] })]
    const mayDo = compileRules({ rules, anonymous: 'pull' })
    assert.ok(!mayDo(alice, [{ kind: 'catalog' }]))
    assert.ok(mayDo(bob, [{ kind: 'catalog' }]))
    assert.ok(!mayDo(nobody, [{ kind: 'catalog' }]))
  })

  it('without a name only pulls are allowed, where rules are for everybody', () => {
    const free = compileRules({ rules: [], anonymous: 'pull' })
    assert.ok(free(nobody, repository('a', 'pull')))
    assert.ok(!free(nobody, repository('a', 'pull', 'push')))
    const ruled = compileRules({ rules: [rule({ repository: ['public/**'], actions: ['*'] }), rule({ user: ['*'] })], anonymous: 'pull' })
    assert.ok(ruled(nobody, repository('public/a', 'pull')))
    assert.ok(!ruled(nobody, repository('public/a', 'push')))
    assert.ok(!ruled(nobody, repository('team/a', 'pull')))
    assert.ok(ruled(bob, repository('team/a', 'pull')))
  })
})

describe('access rules over HTTP', await needsPackages('auth/rules', ['apache2-utils']), () => {
  it('a known user without a right gets 403, a user without a name a challenge', async () => {
    const access = [
      { user: 'alice', repository: 'team/**', actions: '*' },
      { group: 'readers', repository: '**', actions: 'pull' },
    ]
    await using registry = await startGuarded({ alice: 'a', bob: 'b', eve: 'e' }, { auth: { access }, groups: 'readers: bob carol\n' })
    const post = { method: 'POST' }
    assert.equal(await statusOf(registry, '/v2/team/app/blobs/uploads/', basic('alice', 'a'), post), 202)
    assert.equal(await statusOf(registry, '/v2/other/app/blobs/uploads/', basic('alice', 'a'), post), 403)
    assert.equal(await statusOf(registry, '/v2/other/app/manifests/1', basic('bob', 'b')), 404)
    assert.equal(await statusOf(registry, '/v2/other/app/manifests/1', basic('eve', 'e')), 403)
    assert.equal(await statusOf(registry, '/v2/_catalog', basic('bob', 'b')), 200)
    assert.equal(await statusOf(registry, '/v2/_catalog', basic('alice', 'a')), 403)
    assert.equal(await statusOf(registry, '/v2/', basic('eve', 'e')), 200)
    assert.equal(await statusOf(registry, '/v2/team/app/manifests/1'), 401)
  })

  it('rules that nobody would look at are refused at the start', async () => {
    const access = [{ user: 'alice', repository: 'team/**', actions: 'pull' }]
    await assert.rejects(
      startRegistry({ config: { auth: { silly: { realm: 'R', service: 'S' }, access } } }),
      /auth\.access: needs auth\.htpasswd/,
    )
    await assert.rejects(startRegistry({ config: { auth: { anonymous: 'pull' } } }), /auth\.anonymous: needs/)
  })
})

// Who may read what, by upstream's word: how long it is believed, what stands in for it, and what replicas tell each other of it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { SharedFacts } from '../../src/cluster/shared-facts.ts'
import { UpstreamFailure } from '../../src/content.ts'
import { RepositoryAccess } from '../../src/mirror/access.ts'
import type { Verdict } from '../../src/mirror/access-verdicts.ts'
import { createRouting } from '../../src/mirror/routing.ts'
import type { RepositoryName } from '../../src/oci/names.ts'
import { TestClock } from '../support/clock.ts'

const ttlMs = 300_000
const publicGraceMs = 86_400_000
const name = 'org/app' as RepositoryName
const anna = { key: 'anna', username: 'anna', password: 'a' }
const rules = createRouting({ main: new URL('https://hub.example'), libraryPrefix: false, hosts: ['other.example'], onDemand: undefined })

type Answer = Verdict | 'down' | 'silent'

class Upstream {
  readonly asked: string[] = []
  answer: Answer = 'granted'

  async mayPull(repository: RepositoryName, caller?: { readonly username: string }): Promise<Verdict> {
    this.asked.push(`${caller?.username ?? 'nobody'} ${repository}`)
    return this.#say()
  }

  async checkLogin({ username }: { readonly username: string }): Promise<Verdict> {
    this.asked.push(`login ${username}`)
    return this.#say()
  }

  async #say(): Promise<Verdict> {
    if (this.answer === 'silent') await new Promise<never>(() => {})
    if (this.answer === 'down' || this.answer === 'silent') throw new UpstreamFailure('unreachable', 'down')
    return this.answer
  }
}

/** What replicas would find in Redis. */
function openFacts(): SharedFacts & { readonly kept: Map<string, unknown> } {
  const kept = new Map<string, unknown>()
  return {
    kept,
    find: async (keys) => keys.map((key) => kept.get(key)),
    put: (key, value) => void kept.set(key, value),
    post() {},
    watch: () => ({ [Symbol.dispose]() {} }),
    inTurn: ({ work }) => work(),
  }
}

function openAccess({ clock = new TestClock(), shared }: { clock?: TestClock; shared?: SharedFacts } = {}) {
  const upstream = new Upstream()
  const access = new RepositoryAccess({ rules, questionsTo: () => upstream, ttlMs, publicGraceMs, shared, clock })
  return { upstream, access, clock, [Symbol.dispose]: () => access[Symbol.dispose]() }
}

describe('access', () => {
  test('what one replica has heard, another does not ask, also when upstream is down and it has just been started', async () => {
    const [clock, shared] = [new TestClock(), openFacts()]
    using a = openAccess({ clock, shared })
    using b = openAccess({ clock, shared })
    assert.deepEqual([await a.access.isPublic(name), await b.access.isPublic(name)], [true, true])
    assert.deepEqual([a.upstream.asked.length, b.upstream.asked.length], [1, 0])
    assert.equal(b.access.isPublicNow(name), true)
    clock.advance(ttlMs)
    assert.equal(b.access.isPublicNow(name), false, 'its time counts from when upstream said it')
    using c = openAccess({ clock, shared })
    c.upstream.answer = 'down'
    assert.equal(await c.access.isPublic(name), true)
    clock.advance(publicGraceMs)
    using d = openAccess({ clock, shared })
    d.upstream.answer = 'down'
    await assert.rejects(d.access.isPublic(name), UpstreamFailure)
  })

  test('a fact that another program has put there, or from a clock that is ahead, opens nothing for longer', async () => {
    const shared = openFacts()
    for (const odd of [1, 'granted', { verdict: 'yes', at: 1 }, { verdict: 'granted' }, { verdict: 'wrong', at: 1 }, [], null]) {
      using one = openAccess({ shared })
      one.upstream.answer = 'denied'
      shared.kept.set(`access:${name}`, odd)
      assert.equal(await one.access.isPublic(name), false, JSON.stringify(odd))
    }
    using one = openAccess({ shared })
    shared.kept.set(`access:${name}`, { verdict: 'granted', at: one.clock.now() + 10 * ttlMs })
    assert.equal(await one.access.isPublic(name), true)
    one.clock.advance(ttlMs)
    assert.equal(one.access.isPublicNow(name), false)
  })

  test('a name of no registry asks nobody, and that of another one asks nobody with the credentials', async () => {
    using one = openAccess()
    one.upstream.answer = 'denied'
    assert.equal(await one.access.isPublic('nowhere.example/a' as RepositoryName), false)
    assert.equal(await one.access.check(anna, 'nowhere.example/a' as RepositoryName), 'denied')
    assert.equal(await one.access.check(anna, 'other.example/a' as RepositoryName), 'denied')
    assert.deepEqual(one.upstream.asked, [])
    assert.equal(await one.access.isPublic('other.example/a' as RepositoryName), false)
    assert.deepEqual(one.upstream.asked, ['nobody a'])
  })

  test('where upstream is silent, what was true stands in after two seconds, and is served for a while without asking', async () => {
    using one = openAccess()
    assert.equal(await one.access.check(anna, name), 'granted')
    one.clock.advance(ttlMs)
    one.upstream.answer = 'silent'
    assert.equal(one.access.isGrantedNow(anna.key, name), false)
    const asked = one.access.check(anna, name)
    await one.clock.sleeping(2000)
    one.clock.advance(2000)
    assert.equal(await asked, 'granted')
    assert.equal(one.access.isGrantedNow(anna.key, name), true)
    one.clock.advance(5000)
    assert.equal(one.access.isGrantedNow(anna.key, name), false)
  })

  test('a grace has an end, and a wrong password ends a grant at once', async () => {
    using one = openAccess()
    assert.equal(await one.access.check(anna, name), 'granted')
    one.upstream.answer = 'down'
    one.clock.advance(13 * ttlMs - 1)
    assert.equal(await one.access.check(anna, name), 'granted')
    one.clock.advance(5000)
    assert.equal(await one.access.check(anna, name), 'denied')
    one.upstream.answer = 'granted'
    assert.equal(await one.access.check(anna, name), 'granted')
    one.upstream.answer = 'wrong'
    assert.equal(await one.access.check(anna, 'org/other' as RepositoryName), 'wrong')
    assert.equal(one.access.isGrantedNow(anna.key, name), false)
    assert.equal(await one.access.check(anna, name), 'wrong')
    assert.equal(await one.access.checkLogin(anna), 'wrong')
    assert.deepEqual(one.upstream.asked.slice(-1), ['anna org/other'], 'it is not tried again')
  })

  test('what is asked for at once is asked once', async () => {
    using one = openAccess()
    const verdicts = await Promise.all([1, 2, 3].flatMap(() => [one.access.isPublic(name), one.access.check(anna, name)]))
    assert.deepEqual(new Set(verdicts), new Set([true, 'granted']))
    assert.deepEqual(one.upstream.asked.toSorted(), ['anna org/app', 'nobody org/app'])
  })
})

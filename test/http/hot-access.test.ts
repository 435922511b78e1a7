import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Authenticator, Decision } from '../../src/auth/access.ts'
import { anonymous } from '../../src/auth/access.ts'
import { ask, contentOf, manifestOf, serve } from './serving.ts'

const manifest = manifestOf('{}')
const path = '/v2/app/manifests/latest'
const decisions: Readonly<Record<string, Decision>> = {
  allowed: { kind: 'allowed', principal: anonymous },
  challenge: { kind: 'challenge', challenge: 'Basic realm="x"' },
  denied: { kind: 'denied', principal: anonymous },
  damped: { kind: 'damped', retryAfterSeconds: 3 },
}

/** Two servers on the same decisions, one of which has the manifest in memory. Counts what the authenticator is asked. */
async function both(authorize: Authenticator['authorize']) {
  const asked: string[] = []
  const authenticator: Authenticator = {
    authorize(credentials, wanted) {
      asked.push(JSON.stringify(wanted))
      return authorize(credentials, wanted)
    },
  }
  const content = contentOf({ findManifest: async () => manifest, describeManifest: async () => manifest })
  const ordinary = await serve({ authenticator, content })
  const recalled: string[] = []
  const hot = await serve({ authenticator, content: { ...content, recallManifest: (name) => (recalled.push(name), manifest) } })
  return {
    ordinary,
    hot,
    asked,
    recalled,
    async [Symbol.asyncDispose]() {
      await ordinary[Symbol.asyncDispose]()
      await hot[Symbol.asyncDispose]()
    },
  }
}

describe('access to manifests that are in memory', () => {
  for (const [name, decision] of Object.entries(decisions)) {
    for (const [how, authorize] of [
      ['at once', () => decision],
      ['later', async () => decision],
    ] as const) {
      it(`is ${name} as elsewhere, decided once, ${how}`, async () => {
        await using servers = await both(authorize)
        for (const method of ['GET', 'HEAD']) {
          servers.asked.length = 0
          const expected = await ask(servers.ordinary.port, path, { method })
          const actual = await ask(servers.hot.port, path, { method })
          assert.deepEqual(
            { ...actual, headers: { ...actual.headers, date: '' } },
            { ...expected, headers: { ...expected.headers, date: '' } },
          )
          assert.equal(actual.status === 200, name === 'allowed')
          assert.equal(servers.asked.length, 2)
          assert.equal(servers.asked[0], servers.asked[1])
        }
        // What is recalled counts as used.
        assert.equal(servers.recalled.length > 0, name === 'allowed' && how === 'at once')
      })
    }
  }

  for (const [how, authorize] of [
    ['at once', () => assert.fail('the password file is gone')],
    ['later', () => Promise.reject(new Error('the password file is gone'))],
  ] as const) {
    it(`is an error where deciding fails ${how}`, async () => {
      await using servers = await both(authorize)
      const answers = [await ask(servers.ordinary.port, path), await ask(servers.hot.port, path)]
      assert.deepEqual(
        answers.map(({ status }) => status),
        [500, 500],
      )
      assert.equal(servers.asked.length, 2)
      assert.equal(servers.hot.log.filter(({ level }) => level === 'error').length, 1)
    })
  }
})

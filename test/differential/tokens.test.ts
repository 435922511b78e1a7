// Tokens of every kind to docker-registry (distribution 2.8) and to us, with the same keys: both believe and refuse the same,
// with the same challenge and the same body.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { issuer, makeKeyring, service } from '../auth/signing.ts'
import { type TokenCase, tokenCases } from '../auth/token-cases.ts'
import { needsPackages } from '../support/packages.ts'
import { startRegistry } from '../support/registry.ts'
import { startDockerRegistry } from '../support/servers/docker-registry.ts'

const realm = 'https://tokens.example/token'
const suite = 'tokens compared with docker-registry'

describe(suite, await needsPackages(suite, ['docker-registry', 'openssl']), () => {
  test('every token is believed or refused alike', async () => {
    await using keys = await makeKeyring()
    await using theirs = await startDockerRegistry({ auth: { token: { url: realm, service, issuer, certificateFile: keys.bundle } } })
    const token = { realm, service, issuer, rootcertbundle: keys.bundle }
    await using ours = await startRegistry({ config: { auth: { token }, storage: { inmemory: {}, delete: { enabled: true } } } })
    const cases = tokenCases(keys)
    assert.ok(cases.length >= 70)
    const differing: string[] = []
    for (const each of cases) {
      const [a, b] = [await seen(theirs.url, each), await seen(ours.url, each)]
      if (a !== b) differing.push(`${each.what}\n  theirs ${a}\n  ours   ${b}`)
    }
    assert.equal(differing.join('\n'), '')
  })
})

async function seen(url: string, { ask, authorization }: TokenCase): Promise<string> {
  const [method = '', path = ''] = ask.split(' ')
  const answer = await fetch(url + path, { method, headers: authorization === undefined ? {} : { authorization } })
  const body = await answer.text()
  const challenge = answer.headers.get('www-authenticate')
  // Of what lies behind authentication, other tests speak.
  return answer.status === 401
    ? `401 ${ordered(challenge ?? '')} ${answer.headers.get('docker-distribution-api-version')} ${body.trim()}`
    : `${answer.status}`
}

/** distribution gives resources and actions in the order of a Go map: in none. */
function ordered(challenge: string): string {
  return challenge.replace(/scope="([^"]*)"/, (_all, scope: string) => {
    const resources = scope.split(' ').map((resource) => resource.replace(/[^:]*$/, (actions) => actions.split(',').toSorted().join(',')))
    return `scope="${resources.toSorted().join(' ')}"`
  })
}

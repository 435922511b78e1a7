// Passwords to docker-registry (distribution 2.8) and to us, with the same file: the same statuses, challenges and bodies.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { addUser, basic, startGuarded } from '../auth/serving-htpasswd.ts'
import { needsPackages } from '../support/packages.ts'
import { startDockerRegistry } from '../support/servers/docker-registry.ts'

const suite = 'passwords compared with docker-registry'

const asked: readonly (readonly [string, string | undefined])[] = [
  ['GET /v2/', undefined],
  ['GET /v2/', basic('alice', 'wonder')],
  ['GET /v2/', basic('alice', 'wrong')],
  ['GET /v2/', basic('nobody', 'wonder')],
  ['GET /v2/', basic('md5', 'wonder')],
  ['GET /v2/', basic('', '')],
  ['GET /v2/', basic('alice', 'wonder').replace('Basic', 'basic')],
  ['GET /v2/', 'Basic ???'],
  ['GET /v2/', 'Bearer abc'],
  ['GET /v2/team/app/manifests/1', undefined],
  ['GET /v2/team/app/manifests/1', basic('alice', 'wonder')],
  ['POST /v2/team/app/blobs/uploads/', undefined],
  ['POST /v2/team/app/blobs/uploads/', basic('alice', 'wonder')],
  ['GET /v2/_catalog', undefined],
  ['GET /v2/_catalog', basic('alice', 'wonder')],
  ['GET /', undefined],
]

describe(suite, await needsPackages(suite, ['docker-registry', 'apache2-utils']), () => {
  test('who gets in is the same', async () => {
    await using ours = await startGuarded({ alice: 'wonder' })
    await addUser(ours.file, 'md5', 'wonder', '-m')
    await using theirs = await startDockerRegistry({ auth: { htpasswdFile: ours.file } })
    for (const [what, authorization] of asked) {
      const [a, b] = [await seen(theirs.url, what, authorization), await seen(ours.url, what, authorization)]
      assert.equal(b, a, `${what} ${authorization ?? ''}`)
    }
  })
})

async function seen(url: string, what: string, authorization: string | undefined): Promise<string> {
  const [method = '', path = ''] = what.split(' ')
  const answer = await fetch(url + path, { method, headers: authorization === undefined ? {} : { authorization } })
  const body = await answer.text()
  return `${answer.status} ${answer.headers.get('www-authenticate')} ${answer.status === 401 ? body.trim() : ''}`
}

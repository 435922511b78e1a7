import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Authenticator, Credentials, Decision, Wanted } from '../../src/auth/access.ts'
import { AccessLog } from '../../src/http/middleware/access-log.ts'
import { createNaming } from '../../src/http/request-names.ts'
import { routesOf, type RoutesOptions } from '../../src/http/routes.ts'
import { systemClock } from '../../src/lib/clock.ts'
import type { RepositoryName } from '../../src/oci/names.ts'
import { ask, contentOf, manifestOf, serve } from './serving.ts'
import { WritableMemory } from './writing.ts'

const digest = `sha256:${'ab'.repeat(32)}`
const catalog = { listRepositories: async () => ({ items: [] as RepositoryName[], more: false }) }

/** Decides alike for all, and remembers what it was asked. */
function deciding(decision: Decision | Promise<Decision>) {
  const asked: { credentials: Credentials; wanted: readonly Wanted[] }[] = []
  const authenticator: Authenticator = {
    authorize(credentials, wanted) {
      asked.push({ credentials, wanted })
      return decision
    },
  }
  return { authenticator, asked }
}

const refusing: Decision = { kind: 'challenge', challenge: 'Basic realm="test"' }
const allowing: Decision = { kind: 'allowed', principal: { name: 'alice "x" y', groups: [] } }

const own = {
  content: new WritableMemory(),
  isOwn: () => true,
  isReadOnly: false,
  canDelete: true,
  secret: { current: 'secret', all: ['secret'] },
}

/** A path that the pattern matches. */
function exampleOf({ source }: RegExp): string {
  return source
    .replace('(.+)', 'team/app')
    .replace('([^/]+)', source.includes('manifests') ? '1.0' : source.includes('uploads') ? 'some-upload' : digest)
    .replaceAll('\\/', '/')
    .replace(/\/\?\$$/, '/')
    .replace(/^\^|\$$/g, '')
}

describe('with authentication', () => {
  it('every route of the table is closed, whatever the method', async () => {
    await using serving = await serve({ own, catalog, ...deciding(refusing) })
    const routes = routesOf({
      content: contentOf({}),
      own,
      catalog,
      naming: createNaming((_ns, name) => name),
    } as unknown as RoutesOptions)
    assert.ok(routes.length >= 10)
    for (const { pattern } of routes) {
      const path = exampleOf(pattern)
      assert.match(path, pattern)
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND']) {
        const { status, headers } = await ask(serving.port, path, { method })
        assert.deepEqual([status, headers['www-authenticate']], [401, 'Basic realm="test"'], `${method} ${path}`)
      }
    }
    // A handler that ran all the same would have failed, as nothing may be asked of the content.
    assert.deepEqual(
      serving.log.filter(({ level }) => level !== 'debug'),
      [],
    )
  })

  it('the probe of load balancers, redirections, preflights and what is not found stay open', async () => {
    await using serving = await serve({ own, catalog, ...deciding(refusing) })
    const statusOf = async (path: string, method = 'GET') => (await ask(serving.port, path, { method })).status
    assert.equal(await statusOf('/'), 200)
    assert.equal(await statusOf('/v2'), 301)
    assert.equal(await statusOf('/nowhere'), 404)
    assert.equal(await statusOf('/v2/a/manifests/1', 'OPTIONS'), 405)
    assert.equal(await statusOf('/v1/search', 'OPTIONS'), 401)
  })

  it('names that are none, or of no upstream, are told to those only who may ask', async () => {
    const closed = deciding(refusing)
    await using serving = await serve({ ...closed, nameOf: () => undefined })
    for (const path of ['/v2/UP/per/manifests/1', '/v2/a%2fb/tags/list', '/v2/a/manifests/1?ns=ghcr.io']) {
      assert.equal((await ask(serving.port, path)).status, 401, path)
      assert.deepEqual(closed.asked.at(-1)?.wanted, [{ kind: 'ping' }])
    }
    await using open = await serve({ ...deciding(allowing), nameOf: () => undefined })
    assert.equal((await ask(open.port, '/v2/a%2fb/tags/list')).status, 400)
    assert.equal((await ask(open.port, '/v2/a/manifests/1?ns=ghcr.io')).status, 404)
  })

  it('asks for what distribution asks for', async () => {
    const { authenticator, asked } = deciding(refusing)
    await using serving = await serve({ own, catalog, authenticator })
    const wants = async (method: string, path: string) => {
      await ask(serving.port, path, { method })
      return asked.at(-1)?.wanted.map((want) => (want.kind === 'repository' ? `${want.repository}:${want.actions.join(',')}` : want.kind))
    }
    assert.deepEqual(await wants('GET', '/v2/a/b/manifests/1'), ['a/b:pull'])
    assert.deepEqual(await wants('HEAD', `/v2/a/b/blobs/${digest}`), ['a/b:pull'])
    assert.deepEqual(await wants('PUT', '/v2/a/b/manifests/1'), ['a/b:pull,push'])
    assert.deepEqual(await wants('DELETE', '/v2/a/b/manifests/1'), ['a/b:delete'])
    assert.deepEqual(await wants('POST', '/v2/a/b/blobs/uploads/'), ['a/b:pull,push'])
    assert.deepEqual(await wants('POST', `/v2/a/b/blobs/uploads/?mount=${digest}&from=c/d`), ['a/b:pull,push', 'c/d:pull'])
    assert.deepEqual(await wants('POST', `/v2/a/b/blobs/uploads/?mount=${digest}&from=..%2fetc`), ['a/b:pull,push'])
    assert.deepEqual(await wants('GET', '/v2/_catalog'), ['catalog'])
    assert.deepEqual(await wants('GET', '/v1/search?q=x'), ['catalog'])
    assert.deepEqual(await wants('GET', '/v2/'), ['ping'])
  })

  it('a name that ns gave another meaning is asked for by what it means', async () => {
    const { authenticator, asked } = deciding(refusing)
    const nameOf = (ns: string | undefined, name: RepositoryName) =>
      (ns === undefined ? `library/${name}` : `${ns}/${name}`) as RepositoryName
    await using serving = await serve({ authenticator, nameOf })
    await ask(serving.port, '/v2/nginx/manifests/1')
    await ask(serving.port, '/v2/nginx/manifests/1?ns=ghcr.io')
    assert.deepEqual(
      asked.map(({ wanted: [want] }) => (want?.kind === 'repository' ? [want.asked, want.repository] : [])),
      [
        ['nginx', 'library/nginx'],
        ['ghcr.io/nginx', 'ghcr.io/nginx'],
      ],
    )
  })

  it('what was decided later counts as well', async () => {
    const content = contentOf({ findManifest: async () => manifestOf('{}') })
    await using open = await serve({ content, ...deciding(Promise.resolve(allowing)) })
    assert.equal((await ask(open.port, '/v2/a/manifests/1')).status, 200)
    await using closed = await serve({ content, ...deciding(Promise.resolve(refusing)) })
    assert.equal((await ask(closed.port, '/v2/a/manifests/1')).status, 401)
    await using broken = await serve({
      content,
      authenticator: { authorize: () => Promise.reject(new Error('key file /secret/path is gone')) },
    })
    const { status, body } = await ask(broken.port, '/v2/a/manifests/1')
    assert.deepEqual([status, JSON.parse(body.toString()).errors[0].code], [500, 'UNKNOWN'])
    assert.doesNotMatch(body.toString(), /secret/)
  })
})

describe('refusals', () => {
  it('401 has the challenge and the body of distribution', async () => {
    await using serving = await serve(deciding(refusing))
    const { status, headers, body } = await ask(serving.port, '/v2/a/b/manifests/1')
    assert.deepEqual(
      [status, headers['docker-distribution-api-version'], headers['content-type']],
      [401, 'registry/2.0', 'application/json'],
    )
    const detail = '[{"Type":"repository","Class":"","Name":"a/b","Action":"pull"}]'
    assert.equal(body.toString(), `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":${detail}}]}\n`)
    const ping = await ask(serving.port, '/v2/')
    assert.equal(ping.body.toString(), '{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":null}]}\n')
  })

  it('403 and 429 are no challenges', async () => {
    await using denying = await serve(deciding({ kind: 'denied', principal: { name: 'bob', groups: [] } }))
    const denied = await ask(denying.port, '/v2/a/manifests/1', { method: 'PUT', body: '{}' })
    assert.deepEqual(
      [denied.status, denied.headers['www-authenticate'], JSON.parse(denied.body.toString()).errors[0].code],
      [403, undefined, 'DENIED'],
    )
    await using damping = await serve(deciding({ kind: 'damped', retryAfterSeconds: 2.5 }))
    const damped = await ask(damping.port, '/v2/a/manifests/1')
    assert.deepEqual([damped.status, damped.headers['retry-after']], [429, '3'])
  })

  it('a body that nobody wants is not waited for', async () => {
    await using serving = await serve({ own, ...deciding(refusing) })
    const { status } = await ask(serving.port, '/v2/a/blobs/uploads/', {
      method: 'POST',
      headers: { 'content-length': '100000000', expect: '100-continue' },
    })
    assert.equal(status, 401)
  })
})

it('the access log names who asked, and nobody can break its line by a name', async () => {
  const lines: string[] = []
  const accessLog = new AccessLog({ write: (text) => lines.push(text) }, systemClock)
  await using serving = await serve({ accessLog, ...deciding(allowing) })
  await ask(serving.port, '/v2/')
  accessLog.flush()
  assert.match(lines.join(''), /^127\.0\.0\.1 - alice\\x20\\"x\\"\\x20y \[/)
})

it('who is held responsible is what a proxy of ours saw, not what the client wrote', async () => {
  const { authenticator, asked } = deciding(refusing)
  await using serving = await serve({ authenticator })
  const addressFor = async (header: string) => {
    await ask(serving.port, '/v2/', { headers: { 'x-forwarded-for': header } })
    return asked.at(-1)?.credentials.address
  }
  assert.equal(await addressFor('198.51.100.1'), '198.51.100.1')
  assert.equal(await addressFor('203.0.113.9, 198.51.100.1'), '198.51.100.1')
  assert.equal(await addressFor('203.0.113.9, 198.51.100.1, 10.0.0.2'), '198.51.100.1')
  assert.equal(await addressFor('10.0.0.7, 10.0.0.8'), '10.0.0.8')
  assert.equal(await addressFor('nonsense'), '127.0.0.1')
})

it('the origin is told as the client knows it', async () => {
  const { authenticator, asked } = deciding(refusing)
  await using serving = await serve({ authenticator })
  const headers = { host: 'r.example', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'registry.example:8443' }
  await ask(serving.port, '/v2/', { headers })
  assert.deepEqual([asked[0]?.credentials.origin, asked[0]?.credentials.forwardedScheme], ['https://registry.example:8443', 'https'])
  await ask(serving.port, '/v2/', { headers: { host: 'r.example' } })
  assert.deepEqual([asked[1]?.credentials.origin, asked[1]?.credentials.forwardedScheme], ['http://r.example', undefined])
})

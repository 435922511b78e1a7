import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UpstreamFailure, type UpstreamFailureKind, type UpstreamFailureOptions } from '../../src/content.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import { ask, contentOf, nginx, serve } from './serving.ts'

const digest = `sha256:${'ab'.repeat(32)}`
const secrets = ['registry-1.docker.io', '/var/lib', 'token']

function failing(error: Error) {
  const fail = async () => {
    throw error
  }
  return contentOf({ findManifest: fail, describeManifest: fail, findBlob: fail, describeBlob: fail, listTags: fail, listReferrers: fail })
}

const paths = [
  `/v2/${nginx}/manifests/latest`,
  `/v2/${nginx}/blobs/${digest}`,
  `/v2/${nginx}/tags/list`,
  `/v2/${nginx}/referrers/${digest}`,
]

describe('trouble with upstream', () => {
  const cases: [UpstreamFailureKind, UpstreamFailureOptions, number, string, string | undefined][] = [
    ['denied', { status: 401 }, 403, 'DENIED', undefined],
    ['denied', { status: 403, retryAfterSeconds: 5 }, 403, 'DENIED', undefined],
    ['rate-limited', { status: 429 }, 429, 'TOOMANYREQUESTS', undefined],
    ['rate-limited', { status: 429, retryAfterSeconds: 29.2 }, 429, 'TOOMANYREQUESTS', '30'],
    ['timeout', {}, 504, 'UNAVAILABLE', undefined],
    ['unreachable', {}, 502, 'UNAVAILABLE', undefined],
    ['broken', { status: 200 }, 502, 'UNAVAILABLE', undefined],
    ['unavailable', { status: 500 }, 502, 'UNAVAILABLE', undefined],
    ['unavailable', { status: 502 }, 502, 'UNAVAILABLE', undefined],
    ['unavailable', { status: 503, retryAfterSeconds: 7 }, 503, 'UNAVAILABLE', '7'],
    ['unavailable', { status: 504 }, 504, 'UNAVAILABLE', undefined],
    ['unavailable', { status: 520 }, 502, 'UNAVAILABLE', undefined],
    ['unavailable', {}, 503, 'UNAVAILABLE', undefined],
  ]
  for (const [kind, options, status, code, retryAfter] of cases) {
    it(`${kind} ${JSON.stringify(options)} is ${status} ${code}, without a challenge or a word too many`, async () => {
      const error = new UpstreamFailure(kind, `asking ${secrets.join(' ')}`, options)
      await using serving = await serve({ content: failing(error) })
      for (const path of paths) {
        const answer = await ask(serving.port, path)
        assert.equal(answer.status, status)
        assert.equal(answer.headers['content-type'], 'application/json')
        assert.equal(answer.headers['retry-after'], retryAfter)
        assert.equal(answer.headers['www-authenticate'], undefined)
        assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0')
        assert.match(answer.body.toString(), new RegExp(`^\\{"errors":\\[\\{"code":"${code}","message":"[^"]+"\\}\\]\\}\\n$`))
        for (const secret of secrets) assert.ok(!answer.body.includes(secret))
      }
      assert.equal((await ask(serving.port, paths[0] ?? '', { method: 'HEAD' })).status, status)
      // One error object, five askers, one line.
      assert.equal(serving.log.filter(({ level }) => level === 'warn').length, 1)
    })
  }
})

describe('other errors', () => {
  it('what nobody foresaw is 500 UNKNOWN, its text only in the log', async () => {
    await using serving = await serve({ content: failing(new Error(`ENOENT: ${secrets.join(' ')}`)) })
    const answer = await ask(serving.port, paths[0] ?? '', { headers: { 'x-request-id': 'from-proxy-1' } })
    assert.equal(answer.status, 500)
    assert.equal(answer.body.toString(), '{"errors":[{"code":"UNKNOWN","message":"unknown error"}]}\n')
    const line = serving.log.find(({ level }) => level === 'error')
    assert.equal(line?.fields['request'], 'from-proxy-1')
    assert.match(String(line?.fields['error']), /ENOENT/)
  })

  it('a registry error is told as it is, with its detail', async () => {
    await using serving = await serve({
      content: failing(new RegistryError('NAME_UNKNOWN', 'repository name not known to registry', { detail: { a: 1 } })),
    })
    const answer = await ask(serving.port, paths[1] ?? '')
    assert.equal(answer.status, 404)
    assert.equal(
      answer.body.toString(),
      '{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry","detail":{"a":1}}]}\n',
    )
  })

  it('something thrown that is no error is 500 as well', async () => {
    const fail = async () => {
      throw 'just text'
    }
    await using serving = await serve({ content: contentOf({ findManifest: fail }) })
    assert.equal((await ask(serving.port, paths[0] ?? '')).status, 500)
  })
})

describe('refused methods', () => {
  const routes: [string, string][] = [
    [`/v2/${nginx}/manifests/latest`, 'GET, HEAD'],
    [`/v2/${nginx}/blobs/${digest}`, 'GET, HEAD'],
    [`/v2/${nginx}/blobs/uploads/`, ''],
    [`/v2/${nginx}/blobs/uploads`, ''],
    [`/v2/${nginx}/blobs/uploads/5f2c-1?_state=x`, ''],
    [`/v2/${nginx}/tags/list`, 'GET'],
    ['/v2/_catalog', 'GET'],
    [`/v2/${nginx}/referrers/${digest}`, 'GET'],
  ]
  for (const [path, allow] of routes) {
    it(`${path} takes ${allow === '' ? 'none' : allow}`, async () => {
      await using serving = await serve()
      for (const method of ['PUT', 'PATCH', 'POST', 'DELETE', 'OPTIONS', ...(allow.includes('GET') ? [] : ['GET'])]) {
        const { status, headers, body } = await ask(serving.port, path, {
          method,
          ...(method === 'PUT' ? { body: 'x'.repeat(100_000) } : {}),
        })
        assert.deepEqual([method, status, headers['allow']], [method, 405, allow])
        assert.equal(body.toString(), '{"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported."}]}\n')
        assert.equal(headers['docker-distribution-api-version'], 'registry/2.0')
      }
    })
  }
})

// The client's small pure parts, case by case: redirects, pull limits, proxies, a credential helper's answer.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UpstreamFailure } from '../../src/content.ts'
import { parseHelperAnswer } from '../../src/upstream/credentials.ts'
import { parseProxySettings } from '../../src/upstream/proxies.ts'
import { parseRateLimit } from '../../src/upstream/rate-limits.ts'
import { headersFor, redirectTarget } from '../../src/upstream/redirects.ts'

describe('a redirect', () => {
  const from = new URL('https://registry.test/v2/a/blobs/x')

  it('may be relative', () => assert.equal(redirectTarget(from, '../y?z=1').href, 'https://registry.test/v2/a/y?z=1'))

  it('keeps the signature as it was written', () => {
    const location = 'https://cdn.test/data?X-Amz-Credential=a%2F20260308%2Fauto&X-Amz-Signature=ab%3D'
    assert.equal(redirectTarget(from, location).href, location)
  })

  for (const host of [
    '127.0.0.1',
    '127.1',
    '2130706433',
    'localhost',
    'a.localhost.',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '169.254.169.254',
    '[fe80::1]',
    '0',
  ]) {
    it(`of a server elsewhere does not lead to ${host}`, () => {
      assert.throws(() => redirectTarget(from, `http://${host}:8080/x`), UpstreamFailure)
      assert.equal(redirectTarget(new URL('http://localhost:5000/v2/'), `http://${host}/x`).protocol, 'http:')
    })
  }

  it('may lead to storage in a private network', () => assert.equal(redirectTarget(from, 'https://10.1.2.3/x').hostname, '10.1.2.3'))

  for (const location of [undefined, '', 'file:///etc/passwd', 'http://', 'gopher://cdn.test/']) {
    it(`to ${JSON.stringify(location)} is broken`, () => {
      assert.throws(
        () => redirectTarget(from, location),
        (error) => error instanceof UpstreamFailure && error.kind === 'broken',
      )
    })
  }

  const headers = { authorization: 'Bearer t', range: 'bytes=1-' }
  for (const target of ['https://cdn.test/x', 'http://registry.test/x', 'https://registry.test:8443/x', 'https://sub.registry.test/x']) {
    it(`to ${target} loses Authorization, keeps the rest`, () => {
      assert.deepEqual(headersFor(new URL(target), from, headers), { range: 'bytes=1-' })
    })
  }

  it('within the same origin keeps Authorization', () => {
    assert.deepEqual(headersFor(new URL('https://registry.test:443/x'), from, headers), headers)
  })
})

describe('the pull limit', () => {
  const read = (headers: Record<string, string>) => parseRateLimit((name) => headers[name], 5)

  it('is what the headers say', () => {
    const limit = read({ 'ratelimit-limit': '100;w=3600', 'ratelimit-remaining': '99;w=3600', 'docker-ratelimit-source': '10.0.0.9' })
    assert.deepEqual(limit, { limit: 100, remaining: 99, windowSeconds: 3600, source: '10.0.0.9', seenAt: 5 })
  })

  it('may come without a window', () => {
    assert.deepEqual(read({ 'ratelimit-limit': '200', 'ratelimit-remaining': '0' }), {
      limit: 200,
      remaining: 0,
      windowSeconds: undefined,
      source: undefined,
      seenAt: 5,
    })
  })

  it('is not known without the headers, or with nonsense in them', () => {
    assert.equal(read({}), undefined)
    assert.equal(read({ 'ratelimit-limit': 'many', 'ratelimit-remaining': '1;w=2' }), undefined)
    assert.equal(read({ 'ratelimit-limit': '100;w=3600' }), undefined)
  })
})

describe('the proxy variables', () => {
  it('in lower case win, and a scheme may be left out', () => {
    const settings = parseProxySettings({ HTTPS_PROXY: 'http://upper.test:1', https_proxy: 'lower.test:3128', HTTP_PROXY: '' })
    assert.equal(settings.httpsProxy, 'http://lower.test:3128')
    assert.equal(settings.httpProxy, undefined)
  })

  const direct: readonly [string, boolean][] = [
    ['10.1.2.3', true],
    ['11.1.2.3', false],
    ['127.0.0.1', true],
    ['[::1]', true],
    ['[fd00::7]', true],
    ['[fe80::7]', false],
    ['registry.test', false],
  ]
  for (const [host, is] of direct) {
    it(`${host} is ${is ? '' : 'not '}in a network of NO_PROXY`, () => {
      assert.equal(parseProxySettings({ NO_PROXY: '10.0.0.0/8, fd00::/8 not/a/network,.corp.test' }).isDirectAddress(host), is)
    })
  }

  it('pass names on as they are', () => {
    assert.equal(
      parseProxySettings({ no_proxy: '10.0.0.0/8,.corp.test registry.test:5000' }).noProxy,
      '.corp.test,registry.test:5000,localhost',
    )
  })
})

describe("a credential helper's answer", () => {
  it('has a user name and a secret', () => {
    assert.deepEqual(parseHelperAnswer('{"ServerURL":"https://auth.test","Username":"u","Secret":"p"}'), { username: 'u', password: 'p' })
  })

  for (const text of [
    '',
    'credentials not found in native keychain',
    'null',
    '[]',
    '{"Username":"u"}',
    '{"Username":"","Secret":"s3cr3t"}',
  ]) {
    it(`${JSON.stringify(text)} is none, and is not repeated in the error`, () => {
      assert.throws(
        () => parseHelperAnswer(text),
        (error: Error) => !error.message.includes('s3cr3t'),
      )
    })
  }

  it('with an identity token is of no use', () => {
    assert.throws(() => parseHelperAnswer('{"Username":"<token>","Secret":"s3cr3t"}'), /identity token/)
  })
})

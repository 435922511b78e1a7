import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type AskedUrl, urlOf, type UrlRules } from '../../src/http/urls.ts'
import { pathOf, serveOwn } from './writing.ts'

const plain: UrlRules = { host: undefined, relative: false, prefix: '' }
const asked: AskedUrl = { path: '/v2/a/manifests/b', host: 'r:5000', isSecure: false, forwarded: undefined }
const inside = '/v2/a/x'

describe('addresses in answers', () => {
  const cases: [string, Partial<UrlRules>, Partial<AskedUrl>, string][] = [
    ['are those of the request', {}, {}, 'http://r:5000/v2/a/x'],
    ['are https behind our own TLS', {}, { isSecure: true }, 'https://r:5000/v2/a/x'],
    ['may have an IPv6 host', {}, { host: '[::1]:5000' }, 'http://[::1]:5000/v2/a/x'],
    ['are paths without a Host', {}, { host: undefined }, '/v2/a/x'],
    ['are paths with a Host that is none', {}, { host: 'r/@evil' }, '/v2/a/x'],
    ['are paths with relativeurls', { relative: true }, {}, '/v2/a/x'],
    ['have the host of http.host', { host: 'https://h.example' }, {}, 'https://h.example/v2/a/x'],
    ['have its path, too', { host: 'https://h.example/foo/' }, {}, 'https://h.example/foo/v2/a/x'],
    ['have http.host whatever relativeurls says', { host: 'https://h', relative: true }, {}, 'https://h/v2/a/x'],
    ['have http.host whatever a proxy says', { host: 'https://h' }, { forwarded: { proto: 'http', host: 'p' } }, 'https://h/v2/a/x'],
    ['have http.host in place of a prefix', { host: 'https://h', prefix: '/pfx' }, { path: '/pfx/v2/a/x' }, 'https://h/v2/a/x'],
    ['have the prefix before /v2/', { prefix: '/pfx' }, { path: '/pfx/v2/a/y' }, 'http://r:5000/pfx/v2/a/x'],
    ['have the prefix behind /v2/', { prefix: '/pfx' }, { path: '/v2/pfx/a/y' }, 'http://r:5000/v2/pfx/a/x'],
    ['have a long prefix behind /v2/', { prefix: '/p/q' }, { path: '/v2/p/q/a/y' }, 'http://r:5000/v2/p/q/a/x'],
    ['have the prefix in paths, too', { prefix: '/pfx', relative: true }, { path: '/pfx/v2/a/y' }, '/pfx/v2/a/x'],
    ['have the prefix behind /v2/ in paths, too', { prefix: '/pfx', relative: true }, { path: '/v2/pfx/a/y' }, '/v2/pfx/a/x'],
  ]
  for (const [what, rules, request, expected] of cases) {
    it(what, () => assert.equal(urlOf({ ...plain, ...rules }, { ...asked, ...request }, inside), expected))
  }
})

describe('a proxy in front', () => {
  const cases: [string, AskedUrl['forwarded'], string][] = [
    ['X-Forwarded-Proto', { proto: 'https' }, 'https://r:5000/v2/a/x'],
    ['X-Forwarded-Proto, a list', { proto: 'https, http' }, 'https://r:5000/v2/a/x'],
    ['X-Forwarded-Proto in capitals', { proto: 'HTTPS' }, 'https://r:5000/v2/a/x'],
    ['X-Forwarded-Proto that is no scheme', { proto: 'javascript' }, 'http://r:5000/v2/a/x'],
    ['X-Forwarded-Host', { proto: 'https', host: 'out.example' }, 'https://out.example/v2/a/x'],
    ['X-Forwarded-Host, a list', { host: 'out.example:8443, in:80' }, 'http://out.example:8443/v2/a/x'],
    ['X-Forwarded-Host that is none', { host: 'a b' }, 'http://r:5000/v2/a/x'],
    ['Forwarded', { forwarded: 'proto=https;host=out.example' }, 'https://out.example/v2/a/x'],
    [
      'Forwarded with quotes and spaces',
      { forwarded: ' for="[::1]:7" ; Host="out.example:8443"; PROTO=https' },
      'https://out.example:8443/v2/a/x',
    ],
    ['Forwarded, its first element', { forwarded: 'proto=https;host=one, proto=http;host=two' }, 'https://one/v2/a/x'],
    ['Forwarded with an escaped quote', { forwarded: 'for="a\\"b";host=one' }, 'http://one/v2/a/x'],
    [
      'Forwarded switches the others off, whatever it says',
      { forwarded: 'for=1.2.3.4', proto: 'https', host: 'x' },
      'http://r:5000/v2/a/x',
    ],
    ['Forwarded that is junk', { forwarded: ';;==""', proto: 'https' }, 'http://r:5000/v2/a/x'],
    ['an empty Forwarded counts as none', { forwarded: '', proto: 'https' }, 'https://r:5000/v2/a/x'],
  ]
  for (const [what, forwarded, expected] of cases) {
    it(what, () => assert.equal(urlOf(plain, { ...asked, forwarded }, inside), expected))
  }
})

describe('Location on the wire', () => {
  const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'out.example' }

  it('follows a proxy that is trusted', async () => {
    await using serving = await serveOwn()
    const { headers: answered } = await serving.ask('/v2/a/b/blobs/uploads/', { method: 'POST', headers })
    assert.match(String(answered['location']), /^https:\/\/out\.example\/v2\/a\/b\/blobs\/uploads\/[0-9a-f-]{36}\?_state=/)
    assert.deepEqual(
      serving.log.filter(({ level }) => level === 'warn'),
      [],
    )
  })

  it('does not follow one that is not, and says so once', async () => {
    await using serving = await serveOwn({}, { trustedProxies: ['10.0.0.0/8'] })
    for (const more of [headers, headers, { forwarded: 'host=out.example' }]) {
      const { headers: answered } = await serving.ask('/v2/a/b/blobs/uploads/', { method: 'POST', headers: more })
      assert.match(String(answered['location']), new RegExp(`^http://127\\.0\\.0\\.1:${serving.port}/v2/`))
    }
    const warnings = serving.log.filter(({ level }) => level === 'warn')
    assert.equal(warnings.length, 1)
    assert.match(warnings[0]?.message ?? '', /trustedproxies/)
  })

  it('can be followed below either place of a prefix', async () => {
    await using serving = await serveOwn({}, { prefix: '/pfx', relativeUrls: true })
    for (const base of ['/pfx/v2/', '/v2/pfx/']) {
      const { status, headers: answered } = await serving.ask(`${base}a/b/blobs/uploads/`, { method: 'POST' })
      assert.equal(status, 202)
      const location = String(answered['location'])
      assert.ok(location.startsWith(`${base}a/b/blobs/uploads/`), location)
      assert.equal((await serving.ask(pathOf(location))).status, 204)
    }
  })
})

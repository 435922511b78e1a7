// What is odd about `http` is told before anything listens, with the key and what is allowed.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { loadConfig } from '../../src/config/load.ts'

function load(http: Record<string, unknown>, more: Record<string, unknown> = {}) {
  const text = JSON.stringify({ version: 0.1, storage: { inmemory: {} }, http, ...more })
  return loadConfig({ text, file: 'c.yml', env: {} }).warnings.map(({ path, message }) => `${path}: ${message}`)
}

describe('http.headers', () => {
  const refused: [string, unknown, RegExp][] = [
    [
      'a line end in a value',
      { 'X-A': ['a\r\nSet-Cookie: b'] },
      /http\.headers\.X-A\[0\]: found "a\\r\\nSet-Cookie: b"; allowed: one line/,
    ],
    ['a line end alone', { 'X-A': 'a\nb' }, /http\.headers\.X-A\[0\]/],
    ['a null byte', { 'X-A': ['fine', 'a\0b'] }, /http\.headers\.X-A\[1\]/],
    ['what is not Latin-1', { 'X-A': ['→'] }, /http\.headers\.X-A\[0\]/],
    ['a name with a blank', { 'X A': ['a'] }, /http\.headers\.X A: is no name of a header/],
    ['a name with a colon', { 'X-A:': ['a'] }, /is no name of a header/],
    ['a name with a line end', { 'X-A\r\nX-B': ['a'] }, /is no name of a header/],
    ['an empty name', { '': ['a'] }, /is no name of a header/],
  ]
  for (const [what, headers, message] of refused) it(`${what} is refused`, () => assert.throws(() => load({ headers }), message))

  it('what frames the message is told to have no effect; the rest is taken', () => {
    assert.match(load({ headers: { 'Content-Length': ['1'] } }).join(), /http\.headers\.Content-Length: has no effect/)
    assert.deepEqual(load({ headers: { 'X-Content-Type-Options': ['nosniff'], 'X-Two': ['ü\t', ''] } }), [])
  })
})

it('http.host is an address that clients can be sent to', () => {
  for (const host of ['https://a.example\r\nX-A: b', 'https://a.example/ b', 'https://a.example\0']) {
    assert.throws(() => load({ host }), /http\.host: .*no blanks, line ends or control characters/, host)
  }
  for (const host of ['https://u:p@a.example', 'https://a.example?x', 'https://a.example#x', 'https://ä.example']) {
    assert.throws(() => load({ host }), /http\.host: allowed: scheme, host, port and path alone/, host)
  }
  for (const host of ['https://a.example', 'https://a.example:8443/images/', 'http://[::1]:5000']) assert.deepEqual(load({ host }), [])
})

it('http.trustedproxies are addresses and ranges', () => {
  for (const range of ['proxy.example', '10.0.0.0/33', '10.0.0.0/', '10.0.0/8', '::1/129', '10.0.0.0/8/8', '']) {
    assert.throws(() => load({ trustedproxies: ['127.0.0.1', range] }), /http\.trustedproxies\[1\]: found/, range)
  }
  assert.deepEqual(load({ trustedproxies: ['10.0.0.7', '10.0.0.0/8', '::1', 'fc00::/7'] }), [])
})

describe('passwords over plain HTTP', () => {
  const auth = { htpasswd: { realm: 'R', path: '/p' } }
  const told = (http: object) =>
    load({ ...http }, { auth }).filter((line) => line.includes('auth.htpasswd: passwords come over plain HTTP'))

  for (const addr of [':5000', '0.0.0.0:5000', '[::]:5000', '10.0.0.1:5000', 'registry.example.com:80']) {
    it(`are told of on ${addr}, in one line`, () => {
      const lines = told({ addr })
      assert.equal(lines.length, 1)
      assert.match(lines.join(), /everybody on the way can read them: set http\.tls; .*http\.host: https:/)
    })
  }

  const quiet: [string, object][] = [
    ['with TLS', { tls: { certificate: '/c', key: '/k' } }],
    ["with Let's Encrypt", { tls: { letsencrypt: { hosts: ['a.b'], cachefile: '/x' } } }],
    ['on loopback', { addr: '127.0.0.1:5000' }],
    ['on loopback of IPv6', { addr: '[::1]:5000' }],
    ['on localhost', { addr: 'localhost:5000' }],
    ['on a socket', { net: 'unix', addr: '/run/registry.sock' }],
    ['behind a proxy with TLS', { host: 'https://registry.example.com' }],
    ['behind a proxy that is named', { trustedproxies: ['10.0.0.7'] }],
  ]
  for (const [what, http] of quiet) it(`are no reason to say anything ${what}`, () => assert.deepEqual(told(http), []))

  it('are told of where http.host is plain or nobody is trusted, and not without passwords', () => {
    assert.equal(told({ host: 'http://registry.example.com' }).length, 1)
    assert.equal(told({ trustedproxies: [] }).length, 1)
    assert.deepEqual(load({ addr: ':5000' }), [])
  })
})

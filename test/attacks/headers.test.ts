// What clients write must not become a header, an address of somebody else's, or a line of a log.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { raw } from '../http/serving.ts'
import { until } from '../support/until.ts'
import { own, startVictim, type Victim } from './victim.ts'

const digest = own.manifest.digest
const evil = 'X-Evil: yes'

/** Texts that end a header or a line where somebody is careless, or write a log anew on a terminal. */
const injections = [
  `a%0d%0a${encodeURIComponent(evil)}`,
  `a%0a${encodeURIComponent(evil)}`,
  `a%0d${encodeURIComponent(evil)}`,
  'a%e5%98%8a%e5%98%8dX-Evil%3A%20yes',
  `a%E2%80%A8${encodeURIComponent(evil)}`,
  'a%1b%5b2J%1b%5b1%3b1Hroot%20logged%20in',
  'a%22%20200%201%20%22-%22%20%22x%22%0a127.0.0.1%20-%20root%20%5b21%2fNov%2f2026%5d',
  'a%0atime=2026-11-21T00:00:00.000Z%20level=error%20msg=%22forged%22',
  'a%00b',
  'a%c2%9b31m',
  'a"><script>alert(1)</script>',
]
/** The same as bytes of a header or a target. A line end would be another header, rightly so. */
const bytes = ['\x1b[2J', '\x7f', '\x80\x9b31m', 'ä', '"', '\\', '\t', 'a;b', "'", '<>', '%0d%0aX-Evil: yes', '\u0085'.normalize()]

describe('header and log injection', () => {
  let victim: Victim
  before(async () => void (victim = await startVictim({ config: { log: { level: 'debug' } } })))
  after(() => victim[Symbol.asyncDispose]())

  /** The head of the last answer, when nothing was injected into it. */
  async function headOf(target: string, headers: Readonly<Record<string, string>> = {}, method = 'GET'): Promise<string> {
    const lines = [
      `${method} ${target} HTTP/1.1`,
      ...Object.entries({ Host: 'r.example', ...headers }).map(([name, value]) => `${name}: ${value}`),
    ]
    const answer = await raw(
      victim.registry.port,
      Buffer.from(`${lines.join('\r\n')}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`, 'latin1'),
    )
    const text = answer.bytes.toString('latin1')
    const end = text.indexOf('\r\n\r\n')
    const what = `${method} ${target} ${JSON.stringify(headers)}`
    const head = text.slice(0, end)
    victim.assertSilent(what, { status: Number(head.split(' ')[1]), headers: { head }, body: answer.bytes.subarray(end + 4) })
    for (const line of head.split('\r\n').slice(1)) assert.match(line, /^[A-Za-z-]+: [\x20-\x7e]*$/, what)
    assert.doesNotMatch(head, /^(?:x-evil|set-cookie):/im, what)
    return head
  }
  const headerOf = (name: string, head: string) => new RegExp(`^${name}: (.*)$`, 'im').exec(head)?.[1]?.trim()

  it('names, references, digests and queries do not become headers', async () => {
    for (const text of [...injections, ...bytes]) {
      for (const target of [
        `/v2/${text}/tags/list?n=1`,
        `/v2/team/app/manifests/${text}`,
        `/v2/team/app/blobs/${text}`,
        `/v2/team/app/tags/list?n=0&last=${text}`,
        `/v2/_catalog?n=1&last=${text}`,
        `/v2/app/manifests/1?ns=${text}`,
        `/v2?x=${text}`,
        `/v1/search?q=${text}`,
        `/${text}`,
      ]) {
        await headOf(target)
      }
      for (const query of [`digest=${text}`, `mount=${digest}&from=${text}`, `digest-algorithm=${text}`]) {
        await headOf(`/v2/team/app/blobs/uploads/?${query}`, {}, 'POST')
      }
      await headOf(`/v2/team/app/manifests/${digest}`, { 'Content-Type': text, Accept: text, 'X-Request-Id': text, Range: text })
    }
    await victim.assertUnharmed()
  })

  const lies: [string, Readonly<Record<string, string>>][] = [
    ['a host with a path', { 'X-Forwarded-Host': 'evil.example/path' }],
    ['a host with a user', { 'X-Forwarded-Host': 'r.example@evil.example' }],
    ['a host with a query', { 'X-Forwarded-Host': 'evil.example?' }],
    ['a host with a fragment', { 'X-Forwarded-Host': 'evil.example#' }],
    ['a host with a backslash', { 'X-Forwarded-Host': 'evil.example\\@r.example' }],
    ['a host with an encoded line end', { 'X-Forwarded-Host': 'evil.example%0d%0aX-Evil: yes' }],
    ['a host with a quote', { 'X-Forwarded-Host': 'evil.example",error="x' }],
    ['a host with a blank', { 'X-Forwarded-Host': 'evil.example r.example' }],
    ['a host with a tab', { 'X-Forwarded-Host': 'evil.example\tr.example' }],
    ['a host with letters that are not ASCII', { 'X-Forwarded-Host': 'ev\xedl.example' }],
    ['a port that is none', { 'X-Forwarded-Host': 'evil.example:99999999' }],
    ['a scheme that runs', { 'X-Forwarded-Proto': 'javascript' }],
    ['a scheme with an address', { 'X-Forwarded-Proto': 'https://evil.example/?' }],
    ['a prefix', { 'X-Forwarded-Prefix': '//evil.example' }],
    ['a port in a header of its own', { 'X-Forwarded-Port': '80@evil.example' }],
    ['a script name', { 'X-Script-Name': '//evil.example', 'X-Original-Url': '//evil.example', 'X-Rewrite-Url': '//evil.example' }],
    ['Forwarded with a quote', { Forwarded: 'host="evil.example/\\"";proto="javascript"' }],
    ['Forwarded with a line end', { Forwarded: 'host="evil.example%0d%0a";proto=https' }],
    ['Host with a path', { Host: 'evil.example/path' }],
    ['Host with a user', { Host: 'r.example@evil.example' }],
  ]
  for (const [what, headers] of lies) {
    it(`Location and Link do not follow ${what}`, async () => {
      const location = headerOf('Location', await headOf('/v2/team/app/blobs/uploads/', headers, 'POST')) ?? ''
      if (location !== '') {
        assert.match(location, /^(?:https?:\/\/r\.example)?\/v2\/team\/app\/blobs\/uploads\/[\w-]+\?_state=[\w%=-]+$/)
      }
      const link = headerOf('Link', await headOf('/v2/_catalog?n=1', headers)) ?? ''
      if (link !== '') assert.match(link, /^<\/v2\/_catalog\?last=[\w%-]+&n=1>; rel="next"$/)
    })
  }

  it('two hosts, or none, are no way to an address of somebody else', async () => {
    const two = await raw(
      victim.registry.port,
      'POST /v2/team/app/blobs/uploads/ HTTP/1.1\r\nHost: r.example\r\nHost: evil.example\r\nConnection: close\r\n\r\n',
    )
    assert.doesNotMatch(two.bytes.toString(), /evil/)
    const absolute = 'POST http://evil.example/v2/team/app/blobs/uploads/ HTTP/1.1\r\nHost: r.example\r\nConnection: close\r\n\r\n'
    assert.doesNotMatch((await raw(victim.registry.port, absolute)).bytes.toString(), /evil/)
  })

  it('every line of both logs is one that was meant', async () => {
    for (const text of bytes) {
      await headOf('/v2/', {
        'User-Agent': text,
        Referer: text,
        'X-Forwarded-For': text,
        Authorization: `Basic ${Buffer.from(`${text}\n:x`).toString('base64')}`,
      })
    }
    await headOf('/v2/team/app/manifests/last-of-all')
    const access = () => victim.registry.accessLog.join('')
    await until('the log is written', () => access().includes('last-of-all'))
    const line =
      /^[\da-f.:-]+ - \S+ \[\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d \+0000\] "[A-Z]+ (?:[^"\\]|\\.)* HTTP\/1\.[01]" \d{3} \d+ "(?:[^"\\]|\\.)*" "(?:[^"\\]|\\.)*"$/
    for (const written of access().trimEnd().split('\n')) {
      assert.match(written, line)
      assert.match(written, /^[\x20-\x7e]*$/)
      assert.match(written, /^127\.0\.0\.1 - - /, 'nobody is somebody else')
    }
    assert.ok(victim.registry.log.length > 100, 'refusals are told at debug')
    for (const written of victim.registry.log) {
      assert.match(written, /^time=\S+ level=\w+ msg=(?:"(?:[^"\\]|\\.)*"|\S+)(?: [\w.-]+=(?:"(?:[^"\\]|\\.)*"|\S*))*\n$/)
      assert.doesNotMatch(written.slice(0, -1), /[\x00-\x1f\x7f-\x9f\u2028\u2029]/)
      assert.doesNotMatch(written, /^time=\S+ level=error/)
    }
  })
})

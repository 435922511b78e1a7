// Too much of everything: it is refused, or answered, at once and in bounded memory, and nobody else notices.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Answer, ask, type Asking, raw, statusLineOf } from '../http/serving.ts'
import { codesOf } from '../http/writing.ts'
import { digestOf } from '../support/images.ts'
import { own, startVictim, type Victim } from './victim.ts'

const digest = own.manifest.digest
const ociManifest = 'application/vnd.oci.image.manifest.v1+json'
const mega = 1024 * 1024
/** What a request may take on a busy machine; what grows with the square of its size takes minutes. */
const longestMs = 3_000

describe('too much', () => {
  let victim: Victim
  before(async () => void (victim = await startVictim()))
  after(() => victim[Symbol.asyncDispose]())

  async function send(what: string, path: string, asking: Asking = {}): Promise<Answer> {
    const startedAt = performance.now()
    const answer = await ask(victim.registry.port, path, asking)
    const tookMs = performance.now() - startedAt
    victim.assertSilent(what, answer)
    assert.ok(tookMs < longestMs, `${what}: ${tookMs.toFixed(0)} ms`)
    assert.ok(answer.body.length < 64 * 1024, `${what}: an answer of ${answer.body.length} bytes`)
    return answer
  }
  const push = (body: Buffer | string, contentType = ociManifest) =>
    send('a manifest', '/v2/team/app/manifests/big', { method: 'PUT', headers: { 'content-type': contentType }, body })

  it('of an address', async () => {
    for (const path of ['a'.repeat(30_000), 'a/'.repeat(15_000), '%2e'.repeat(10_000), '/'.repeat(30_000), '-_.'.repeat(10_000)]) {
      for (const line of [
        `/${path}`,
        `/v2/${path}`,
        `/v2/${path}/manifests/1`,
        `/v2/team/app/manifests/${path}`,
        `/v2/team/app/blobs/sha256:${path}`,
      ]) {
        const { status } = await send(line.slice(0, 40), line)
        assert.ok(status === 400 || status === 404, `${line.slice(0, 40)}: ${status}`)
      }
    }
    for (const size of [40_000, mega]) {
      assert.match(statusLineOf(await raw(victim.registry.port, `GET /v2/${'a'.repeat(size)} HTTP/1.1\r\nHost: x\r\n\r\n`)), / 431 /)
    }
  })

  it('of a query', async () => {
    const queries = [
      `n=1&${'last=a&'.repeat(4000)}`,
      `last=${'a'.repeat(30_000)}`,
      `n=${'9'.repeat(30_000)}`,
      'ns=a&ns=b&'.repeat(3000),
      '&'.repeat(30_000),
      '%'.repeat(30_000),
      `q=${'%F0%9F%98%80'.repeat(2500)}`,
    ]
    for (const query of queries) {
      for (const path of ['/v2/team/app/tags/list', '/v2/_catalog', '/v2/team/app/manifests/1', '/v1/search', '/v2/']) {
        await send(`${path}?${query.slice(0, 20)}`, `${path}?${query}`)
      }
      const { status } = await send(query.slice(0, 20), `/v2/team/app/blobs/uploads/?mount=${digest}&from=team/app&${query}`, {
        method: 'POST',
      })
      assert.ok(status < 500)
    }
    assert.equal((await send('scopes', `/v2/team/app/blobs/uploads/?${'from=team/app&'.repeat(2000)}`, { method: 'POST' })).status, 202)
  })

  it('of headers', async () => {
    const many = Array.from({ length: 3000 }, (_, at) => `X${at}: a\r\n`).join('')
    assert.match(
      statusLineOf(await raw(victim.registry.port, `GET /v2/ HTTP/1.1\r\nHost: x\r\n${many}Connection: close\r\n\r\n`)),
      / (?:200|431) /,
    )
    const long: Readonly<Record<string, string>> = {
      accept: `${'a/b;q=0.1,'.repeat(3000)}*/*`,
      range: `bytes=${'0-0,'.repeat(7000)}0-0`,
      'if-none-match': `${'"a", W/"b", '.repeat(2000)}"c"`,
      'if-range': 'a'.repeat(30_000),
      forwarded: 'for=a;by=b,'.repeat(2500),
      'x-forwarded-for': '10.0.0.1, '.repeat(3000),
      'x-forwarded-host': 'a.'.repeat(15_000),
      authorization: `Bearer ${'a.'.repeat(14_000)}`,
      'content-range': `${'9'.repeat(15_000)}-${'9'.repeat(15_000)}`,
      cookie: 'a=b; '.repeat(6000),
    }
    for (const [name, value] of Object.entries(long)) {
      const headers = { [name]: value }
      assert.equal((await send(name, `/v2/team/app/manifests/${digest}`, { headers })).status, 200, name)
      const upload = await send(name, '/v2/team/app/blobs/uploads/', { method: 'POST', headers })
      const { pathname, search } = new URL(String(upload.headers['location']), 'http://r.example')
      const { status } = await send(name, pathname + search, {
        method: 'PATCH',
        headers: { ...headers, 'content-type': 'application/octet-stream' },
        body: 'x',
      })
      assert.ok(status === 202 || status === 416 || status === 400, `${name}: ${status}`)
    }
    await victim.assertUnharmed()
  })

  it('of a manifest', async () => {
    const whole = await push(Buffer.alloc(5 * mega, ' '))
    assert.deepEqual([whole.status, codesOf(whole)], [413, ['MANIFEST_INVALID']])
    const descriptor = `{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"${digest}","size":1}`
    const others = Array.from({ length: 20_000 }, (_, at) => descriptor.replace(digest, digestOf(Buffer.from(String(at)))))
    const [known = ''] = own.blobs.keys()
    const repeated = Array.from({ length: 20_000 }, () => descriptor.replace(digest, known)).join()
    const nested: [string, string][] = [
      ['arrays in arrays', `{"schemaVersion":2,"layers":${'['.repeat(mega)}`],
      ['objects in objects', '{"a":'.repeat(mega / 2)],
      ['closed arrays', `{"schemaVersion":2,"config":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
      ['one long string', `{"schemaVersion":2,"mediaType":"${'a'.repeat(3 * mega)}"}`],
      ['a number of a million digits', `{"schemaVersion":2,"config":{"size":${'9'.repeat(mega)}}}`],
      [
        'many layers that are not there',
        `{"schemaVersion":2,"mediaType":"${ociManifest}","config":${descriptor},"layers":[${others.join()}]}`,
      ],
      ['one layer many times', `{"schemaVersion":2,"mediaType":"${ociManifest}","config":${descriptor},"layers":[${repeated}]}`],
      ['a key of the language', '{"schemaVersion":2,"__proto__":{"mediaType":"x"},"constructor":{"prototype":{}}}'],
    ]
    for (const [what, body] of nested) {
      const answer = await push(body)
      assert.equal(answer.status, 400, what)
    }
    assert.equal((await push('{}', `application/${'x'.repeat(30_000)}`)).status, 400)
    await victim.assertUnharmed()
  })

  it('of a length that is never sent', async () => {
    for (const path of ['/v2/team/app/manifests/1', '/v2/team/app/blobs/uploads/', '/v2/library/app/manifests/1', '/v2/']) {
      const length = 'Content-Length: 99999999999999999999'
      const answer = await raw(victim.registry.port, `PUT ${path} HTTP/1.1\r\nHost: x\r\n${length}\r\n\r\nx`, { end: true })
      assert.ok(!statusLineOf(answer).startsWith('HTTP/1.1 5'), path)
    }
    await victim.assertUnharmed()
  })
})

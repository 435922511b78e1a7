import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import type { ContentSource } from '../../src/content.ts'
import type { AppOptions } from '../../src/http/app.ts'
import { AccessLog } from '../../src/http/middleware/access-log.ts'
import type { RepositoryName } from '../../src/oci/names.ts'
import { Health } from '../../src/telemetry/health.ts'
import { contentOf, endOf, manifestOf, raw, serve, statusLineOf, until } from './serving.ts'

const image = manifestOf('{"schemaVersion":2}')
const { digest } = image.descriptor
const stale = { ...image, provenance: { verdict: 'stale', ageSeconds: 7, cause: 'upstream is away' } } as const
const path = `/v2/library/app/manifests/${digest}`

const configuration: Partial<AppOptions> = {
  prefix: '/pfx',
  headers: { 'X-Content-Type-Options': ['nosniff'], 'X-Twice': ['a', 'b'] },
  nameOf: (ns, name) => (ns === 'other' ? undefined : ((name.includes('/') ? name : `library/${name}`) as RepositoryName)),
  clock: { now: () => Date.UTC(2026, 10, 21), sleep: () => new Promise(() => {}) },
}

/** What both ways answer; only the ordinary one has to be asked. */
function found(repository: string, reference: string) {
  if (repository !== 'library/app') return undefined
  return reference === 'old' ? stale : reference === 'gone' ? undefined : image
}

const asking = contentOf({
  findManifest: async (repository, reference) => found(repository, reference),
  describeManifest: async (repository, reference) => found(repository, reference),
})
const remembering: ContentSource = { ...asking, recallManifest: found }

/** Raw requests. `hot`: it must be answered from memory. */
const requests: readonly { readonly name: string; readonly text: string; readonly hot: boolean }[] = [
  { name: 'by digest', text: get(`/pfx${path}`), hot: true },
  { name: 'by digest, the prefix behind the version', text: get(path.replace('/v2', '/v2/pfx')), hot: true },
  { name: 'by tag', text: get('/pfx/v2/library/app/manifests/latest'), hot: true },
  { name: 'by a short name', text: get('/pfx/v2/app/manifests/latest'), hot: true },
  { name: 'with ns', text: get(`/pfx${path}?ns=docker.io`), hot: true },
  { name: 'with a registry that is not served', text: get(`/pfx${path}?ns=other`), hot: false },
  { name: 'with two registries', text: get(`/pfx${path}?ns=a&ns=b`), hot: false },
  { name: 'stale', text: get('/pfx/v2/app/manifests/old'), hot: true },
  { name: 'encoded', text: get(`/pfx${path.replace('sha256:', 'sha256%3A')}`), hot: true },
  { name: 'an absolute target', text: get(`http://registry.example/pfx${path}`), hot: true },
  { name: 'HEAD', text: get(`/pfx${path}`).replace('GET', 'HEAD'), hot: true },
  { name: 'If-None-Match', text: get(`/pfx${path}`, `If-None-Match: "${digest}"\r\n`), hot: true },
  { name: 'HEAD with If-None-Match', text: get(`/pfx${path}`, 'If-None-Match: *\r\n').replace('GET', 'HEAD'), hot: true },
  { name: 'another If-None-Match', text: get(`/pfx${path}`, 'If-None-Match: "x"\r\n'), hot: true },
  { name: 'any Accept', text: get(`/pfx${path}`, 'Accept: text/html\r\nAccept: application/json\r\n'), hot: true },
  { name: 'HTTP/1.0', text: `GET /pfx${path} HTTP/1.0\r\n\r\n`, hot: true },
  { name: 'behind a proxy', text: get(`/pfx${path}`, 'X-Forwarded-For: 8.8.8.8\r\nUser-Agent: a "b"\r\nReferer: /x\r\n'), hot: true },
  { name: 'with a body', text: get(`/pfx${path}`, 'Content-Length: 3\r\n', 'abc'), hot: false },
  { name: 'waiting for leave to send nothing', text: get(`/pfx${path}`, 'Expect: 100-continue\r\n'), hot: true },
  { name: 'none', text: get('/pfx/v2/app/manifests/gone'), hot: false },
  { name: 'a name that is none', text: get('/pfx/v2/a%2fb/manifests/latest'), hot: false },
  { name: 'a tag that is none', text: get('/pfx/v2/app/manifests/..%2fx'), hot: false },
  { name: 'outside of the prefix', text: get(path), hot: false },
  { name: 'another method', text: get(`/pfx${path}`).replace('GET', 'PUT'), hot: false },
]

function get(target: string, headers = '', body = ''): string {
  return `GET ${target} HTTP/1.1\r\nHost: registry.example\r\nConnection: close\r\n${headers}\r\n${body}`
}

async function start(content: ContentSource, options: Partial<AppOptions> = configuration) {
  const lines: string[] = []
  const told: unknown[] = []
  const accessLog = new AccessLog({ write: (text) => lines.push(text) }, configuration.clock ?? assert.fail())
  const serving = await serve({
    ...options,
    content,
    accessLog,
    observers: [
      ({ req, res, repository, reference, descriptor, provenance, bodyBytes, path: target, query }) =>
        told.push([req.method, target, query, res.statusCode, repository, reference, descriptor, provenance, bodyBytes]),
    ],
  })
  return {
    ...serving,
    told,
    lines: () => (accessLog.flush(), lines.join('')),
    [Symbol.asyncDispose]: () => serving[Symbol.asyncDispose](),
  }
}

/** Without what tells the time. */
function timeless(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replaceAll(/\r\nDate: [^\r]*/g, '\r\nDate: -')
    .replaceAll(/dur=[\d.]+/g, 'dur=-')
}

describe('manifests that are in memory', () => {
  for (const { name, text, hot } of requests) {
    it(`are answered like others, ${name}${hot ? ', and nobody is asked' : ''}`, async () => {
      let asked = 0
      const counting: ContentSource = {
        ...remembering,
        findManifest: (...question) => ((asked += 1), asking.findManifest(...question)),
        describeManifest: (...question) => ((asked += 1), asking.describeManifest(...question)),
      }
      await using ordinary = await start(asking)
      await using fast = await start(hot ? { ...contentOf({}), recallManifest: found } : counting)
      // The second time the target is known.
      for (const count of [1, 2]) {
        const [expected, actual] = await Promise.all([raw(ordinary.port, text), raw(fast.port, text)])
        assert.equal(timeless(actual.bytes), timeless(expected.bytes))
        assert.equal(actual.ending, expected.ending)
        await until('both are told', () => ordinary.told.length === count && fast.told.length === count)
      }
      assert.deepEqual(fast.told, ordinary.told)
      assert.equal(fast.lines(), ordinary.lines())
      assert.equal(fast.lines().split('\n').length, 3)
      if (hot) assert.equal(asked, 0)
    })
  }

  it('come in the order of their requests, behind others that have to be asked for', async () => {
    const answers = Promise.withResolvers<void>()
    await using serving = await start({
      ...contentOf({ findManifest: () => answers.promise.then(() => stale) }),
      recallManifest: (_repository, reference) => (reference === 'slow' ? undefined : image),
      describeManifest: async () => image,
    })
    const answer = raw(
      serving.port,
      get('/pfx/v2/app/manifests/slow').replace('Connection: close\r\n', '') + get('/pfx/v2/app/manifests/old'),
    )
    await until('the first is asked for', () => serving.requests.size === 1)
    answers.resolve()
    // The second one is no longer hot when its turn comes: it is asked for, too.
    assert.deepEqual((await answer).bytes.toString('latin1').match(/X-Cache: \w+/g), ['X-Cache: stale', 'X-Cache: stale'])
  })

  it('are refused like everything else while a health check fails', async () => {
    const health = new Health()
    await using serving = await start(remembering, { health })
    assert.match(statusLineOf(await raw(serving.port, get(path))), / 200 /)
    health.checked('disk', 'full')
    assert.match(statusLineOf(await raw(serving.port, get(path))), / 503 /)
  })

  it('count as running until a slow client has them, and are finished when the server stops', async () => {
    const large = manifestOf(`{"a":"${'x'.repeat(40_000_000)}"}`)
    await using serving = await start({ ...asking, recallManifest: () => large }, {})
    const socket = connect(serving.port, '127.0.0.1').pause()
    socket.write(get(path).replace('Connection: close\r\n', ''))
    await until('its answer is on the way', () => serving.requests.size === 1)
    assert.equal(serving.told.length, 0)
    const drained = serving.server.drain(10_000)
    const { bytes, ending } = await endOf(socket.resume())
    await drained
    assert.equal(ending, 'fin')
    assert.ok(bytes.length > large.bytes.length)
    assert.equal(bytes.subarray(-large.bytes.length).compare(large.bytes), 0)
    assert.equal(serving.told.length, 1)
    assert.equal(serving.requests.size, 0)
  })
})

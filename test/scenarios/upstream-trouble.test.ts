// Trouble upstream. What is here is served, soon and marked as stale; what is not here gets the answer that upstream's trouble means.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { abuse429, abuse429LineFeeds, type Fault, type Hub, tokenBurst429 } from '../support/hub/hub.ts'
import { ociImage } from '../support/images.ts'
import { errorCodeOf, outcomeOf, type Reply } from '../support/pull.ts'
import { layerIn, type Scene, startScene } from './scene.ts'

const repository = 'library/some'
const image = ociImage({ seed: 'trouble' })
const other = ociImage({ seed: 'other' })
const layer = layerIn(image)
const always = Number.POSITIVE_INFINITY
const manifests = { kind: 'manifest' } as const
const at = (fault: Fault) => (hub: Hub) => hub.script([{ on: { at: 'registry' }, ...fault, times: always }])
const atAuth = (fault: Fault) => (hub: Hub) => hub.script([{ on: { kind: 'token' }, ...fault, times: always }])

interface Trouble {
  readonly what: string
  readonly begin: (hub: Hub) => unknown
  /** The answer where nothing is cached. */
  readonly status: number
  readonly code: string
  readonly retryAfter?: string
}

const troubles: readonly Trouble[] = [
  { what: 'refuses connections', begin: (hub) => hub.down(), status: 502, code: 'UNAVAILABLE' },
  { what: 'hangs', begin: at({ hang: true }), status: 504, code: 'UNAVAILABLE' },
  { what: 'closes each connection', begin: at({ refuse: true }), status: 502, code: 'UNAVAILABLE' },
  { what: 'answers 500', begin: at({ status: 500 }), status: 502, code: 'UNAVAILABLE' },
  { what: 'answers 502', begin: at({ status: 502 }), status: 502, code: 'UNAVAILABLE' },
  { what: 'answers 503', begin: at({ status: 503, retryAfterSeconds: 9 }), status: 503, code: 'UNAVAILABLE', retryAfter: '9' },
  { what: 'answers 504', begin: at({ status: 504 }), status: 504, code: 'UNAVAILABLE' },
  { what: 'limits pulls', begin: at({ status: 429 }), status: 429, code: 'TOOMANYREQUESTS' },
  { what: 'fends off abuse', begin: at(abuse429), status: 429, code: 'TOOMANYREQUESTS', retryAfter: '60' },
  { what: 'fends off abuse with line feeds alone', begin: at(abuse429LineFeeds), status: 502, code: 'UNAVAILABLE' },
  { what: 'shows a page for people', begin: at({ html200: true }), status: 502, code: 'UNAVAILABLE' },
  { what: 'has a token server that is down', begin: (hub) => (hub.revokeTokens(), hub.down('auth')), status: 502, code: 'UNAVAILABLE' },
  {
    what: 'has a token server that hangs',
    begin: (hub) => (hub.revokeTokens(), atAuth({ hang: true })(hub)),
    status: 504,
    code: 'UNAVAILABLE',
  },
  {
    what: 'has a token server that answers 500',
    begin: (hub) => (hub.revokeTokens(), atAuth({ status: 500 })(hub)),
    status: 502,
    code: 'UNAVAILABLE',
  },
  {
    what: 'has a token server that limits logins',
    begin: (hub) => (hub.revokeTokens(), atAuth(tokenBurst429)(hub)),
    status: 429,
    code: 'TOOMANYREQUESTS',
  },
]

const timeouts = { responseheadertimeout: '500ms', connecttimeout: '500ms', tags: { revalidatetimeout: '300ms' } }

async function startTroubleScene(): Promise<Scene> {
  const scene = await startScene({ proxy: timeouts })
  scene.hub.add(repository, image, { tags: ['1'] })
  scene.hub.add('library/uncached', other, { tags: ['1'] })
  return scene
}

function assertStale(reply: Reply): void {
  assert.deepEqual([reply.status, reply.headers['x-cache']], [200, 'stale'])
  assert.match(reply.headers['warning'] ?? '', /^111 entrepot "upstream .+"$/)
  assert.match(reply.headers['age'] ?? '', /^\d+$/)
  assert.equal(reply.headers['docker-content-digest'], image.manifest.digest)
}

for (const { what, begin, status, code, retryAfter } of troubles) {
  test(`an upstream that ${what}: the cached tag is served stale, the rest gets ${status}`, async () => {
    await using scene = await startTroubleScene()
    await scene.manifest(repository, '1')
    await scene.blob(repository, layer.digest)
    await scene.kept(repository, layer.digest)
    await begin(scene.hub)

    const before = performance.now()
    const stale = await scene.manifest(repository, '1')
    const tookMs = performance.now() - before
    assertStale(stale)
    assert.deepEqual(stale.body, image.manifest.bytes)
    assert.ok(tookMs < 2000, `${tookMs} ms`)
    assertStale(await scene.manifest(repository, '1', { method: 'HEAD' }))
    assert.deepEqual(outcomeOf(await scene.manifest(repository, image.manifest.digest)), [200, 'hit', 'whole', image.manifest.digest])
    assert.deepEqual(outcomeOf(await scene.blob(repository, layer.digest)), [200, 'hit', 'whole', layer.digest])

    const cold = await Promise.all([
      scene.manifest('library/uncached', '1'),
      scene.manifest('library/uncached', other.manifest.digest),
      scene.blob('library/uncached', layerIn(other).digest),
    ])
    // A blob of a page for people is a stream like any other, until its end.
    for (const reply of what === 'shows a page for people' ? cold.slice(0, 2) : cold) {
      assert.deepEqual([reply.status, errorCodeOf(reply)], [status, code])
      assert.equal(reply.headers['www-authenticate'], undefined)
      assert.equal(reply.headers['retry-after'], retryAfter)
    }
    const head = await scene.manifest('library/uncached', '1', { method: 'HEAD' })
    // After several failures the upstream is left alone for a while, and that answer is 503.
    assert.ok(head.status === status || head.status === 503, String(head.status))
  })
}

test('a tag that has moved is served as it was while the new manifest cannot be had', async () => {
  for (const fault of [{ status: 429 }, { hang: true }, { status: 500 }, { cutAfterBytes: 10 }, { wrongBytes: true }] as const) {
    await using scene = await startScene({ proxy: { tags: { revalidatetimeout: '300ms' } } })
    const { hub } = scene
    hub.add(repository, image, { tags: ['1'] })
    await scene.manifest(repository, '1')
    hub.add(repository, other, { tags: ['1'] })
    hub.script([{ on: { ...manifests, method: 'GET' }, ...fault }])
    const before = performance.now()
    const reply = await scene.manifest(repository, '1')
    assert.deepEqual(
      [reply.status, reply.headers['x-cache'], reply.headers['docker-content-digest']],
      [200, 'stale', image.manifest.digest],
    )
    assert.ok(performance.now() - before < 2000, Object.keys(fault).join())
  }
})

test('one question to a hanging upstream is waited for once, not by each client in turn', async () => {
  await using scene = await startScene({ proxy: { tags: { revalidatetimeout: '500ms' } } })
  const { hub } = scene
  hub.add(repository, image, { tags: ['1'] })
  await scene.manifest(repository, '1')
  hub.script([{ on: manifests, hang: true, times: always }])
  assert.equal((await scene.manifest(repository, '1')).headers['x-cache'], 'stale')
  const before = performance.now()
  for (let turn = 0; turn < 5; turn += 1) assert.equal((await scene.manifest(repository, '1')).headers['x-cache'], 'stale')
  assert.ok(performance.now() - before < 500, 'the others are answered at once')
})

test('a repository that is denied is denied, without a challenge, and not served from what is here', async () => {
  await using scene = await startTroubleScene()
  const { hub } = scene
  const missing = await scene.manifest('nobody/nothing', '1')
  assert.deepEqual([missing.status, errorCodeOf(missing)], [403, 'DENIED'])
  assert.equal(missing.headers['www-authenticate'], undefined)
  await scene.manifest(repository, '1')
  hub.add(repository, image, { private: true })
  hub.revokeTokens()
  const denied = await scene.manifest(repository, '1')
  assert.deepEqual([denied.status, errorCodeOf(denied)], [403, 'DENIED'])
})

test('what is missing is 404', async () => {
  await using scene = await startTroubleScene()
  const absent = `sha256:${'0'.repeat(64)}`
  const replies = [await scene.manifest(repository, 'none'), await scene.manifest(repository, absent), await scene.blob(repository, absent)]
  assert.deepEqual(
    replies.map((reply) => [reply.status, errorCodeOf(reply)]),
    [
      [404, 'MANIFEST_UNKNOWN'],
      [404, 'MANIFEST_UNKNOWN'],
      [404, 'BLOB_UNKNOWN'],
    ],
  )
})

test('tags are listed as they are here while upstream is away', async () => {
  await using scene = await startTroubleScene()
  await scene.manifest(repository, '1')
  await scene.hub.down()
  const reply = await fetch(`${scene.registry.url}/v2/${repository}/tags/list`)
  assert.deepEqual([reply.status, await reply.json()], [200, { name: repository, tags: ['1'] }])
  assert.equal((await fetch(`${scene.registry.url}/v2/library/uncached/tags/list`)).status, 502)
})

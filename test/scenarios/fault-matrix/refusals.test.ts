// The fault matrix, where upstream does answer: it denies access, refuses our login, or has the tag no more. Whether a cached tag
// stands in then is the operator's choice; digests that are here stay pullable.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JumpingClock } from '../../support/clock.ts'
import type { Hub } from '../../support/hub/hub.ts'
import { ociImage } from '../../support/images.ts'
import { errorCodeOf, type Reply } from '../../support/pull.ts'
import { layerIn, type Scene, startScene } from '../scene.ts'

const repository = 'ada/private'
const image = ociImage({ seed: 'refused' })
const layer = layerIn(image)
const always = Number.POSITIVE_INFINITY
const negativeMs = 10_000
const loginRefusedMs = 60_000

interface Refusal {
  readonly what: string
  readonly auth?: 'bearer' | 'basic'
  /** Keys of proxy.tags that decide. */
  readonly tags?: Readonly<Record<string, boolean>>
  begin(hub: Hub): unknown
  end(hub: Hub): unknown
  /** How long the answer is remembered. */
  readonly heldMs: number
  /** What the cached tag gets: an old answer with this cause, or this status. */
  readonly cached: string | number
  readonly status: number
  readonly code: string
}

const forbidden = {
  begin: (hub: Hub) => hub.script([{ on: { at: 'registry' }, status: 403, times: always }]),
  end: (hub: Hub) => hub.clearScript(),
}
const revoked = {
  begin: (hub: Hub) => (hub.revokeTokens(), hub.script([{ on: { at: 'registry' }, challenge: 'insufficient_scope', times: always }])),
  end: (hub: Hub) => hub.clearScript(),
}
const login = {
  begin: (hub: Hub) => (hub.revokeTokens(), hub.addAccount('ada', 'changed')),
  end: (hub: Hub) => hub.addAccount('ada', 's3cr3t'),
}
const deleted = {
  begin: (hub: Hub) => hub.deleteTag(repository, '1'),
  end: (hub: Hub) => hub.moveTag(repository, '1', image.manifest.digest),
}
const denied = { status: 403, code: 'DENIED' }
const refusedLogin = { ...denied, cached: 'upstream refused our credentials', heldMs: loginRefusedMs, ...login }

const refusals: readonly Refusal[] = [
  { what: '403', ...denied, ...forbidden, heldMs: negativeMs, cached: 403 },
  {
    what: '403, staleifdenied',
    ...denied,
    ...forbidden,
    heldMs: negativeMs,
    cached: 'upstream denied access',
    tags: { staleifdenied: true },
  },
  { what: '401 to the token', ...denied, ...revoked, heldMs: loginRefusedMs, cached: 403 },
  {
    what: '401 to the token, staleifdenied',
    ...denied,
    ...revoked,
    heldMs: loginRefusedMs,
    cached: 'upstream denied access',
    tags: { staleifdenied: true },
  },
  { what: 'a login that the token server refuses', ...refusedLogin },
  { what: 'a login that a Basic registry refuses', auth: 'basic', ...refusedLogin },
  { what: 'a tag that was deleted', ...deleted, heldMs: negativeMs, cached: 404, status: 404, code: 'MANIFEST_UNKNOWN' },
  {
    what: 'a tag that was deleted, staleifdeleted',
    ...deleted,
    heldMs: negativeMs,
    cached: 'upstream has no such tag any more',
    status: 404,
    code: 'MANIFEST_UNKNOWN',
    tags: { staleifdeleted: true },
  },
]

async function startRefusalScene({ auth = 'bearer', tags = {} }: Refusal, clock: JumpingClock): Promise<Scene> {
  const proxy = { username: 'ada', password: 's3cr3t', tags }
  const scene = await startScene({ hub: { auth }, clock, proxy })
  scene.hub.addAccount('ada', 's3cr3t')
  scene.hub.add(repository, image, { tags: ['1', 'never-pulled'], private: true })
  await scene.manifest(repository, '1')
  await scene.blob(repository, layer.digest)
  await scene.kept(repository, layer.digest)
  return scene
}

function assertCached(reply: Reply, { cached, code }: Refusal, hasBody: boolean): void {
  assert.equal(reply.headers['www-authenticate'], undefined)
  if (typeof cached === 'number') {
    assert.deepEqual([reply.status, reply.headers['x-cache'], hasBody ? errorCodeOf(reply) : code], [cached, undefined, code])
    return
  }
  assert.deepEqual(
    [reply.status, reply.headers['x-cache'], reply.headers['warning'], reply.headers['docker-content-digest']],
    [200, 'stale', `111 entrepot "${cached}"`, image.manifest.digest],
  )
  assert.match(reply.headers['age'] ?? '', /^\d+$/)
}

for (const refusal of refusals) {
  test(`${refusal.what}: the cached tag gets ${refusal.cached}, its digest is a hit, the rest gets ${refusal.status}`, async () => {
    const clock = new JumpingClock()
    await using scene = await startRefusalScene(refusal, clock)
    const { hub } = scene
    await refusal.begin(hub)
    hub.clearLedger()
    assertCached(await scene.manifest(repository, '1', { method: 'HEAD' }), refusal, false)
    for (let n = 0; n < 5; n += 1) assertCached(await scene.manifest(repository, '1'), refusal, true)
    const asked = hub.ledger.length
    for (const method of ['HEAD', 'GET'] as const) {
      const manifest = await scene.manifest(repository, image.manifest.digest, { method })
      assert.deepEqual([manifest.status, manifest.headers['x-cache']], [200, 'hit'])
      const blob = await scene.blob(repository, layer.digest, { method })
      assert.deepEqual([blob.status, blob.headers['x-cache']], [200, 'hit'])
    }
    assert.equal(hub.ledger.length, asked, 'digests need no upstream')
    assert.ok(hub.find({ kind: 'token' }).length <= 2, hub.describeLedger())
    if (refusal.status === 403) {
      const cold = await scene.manifest(repository, 'never-pulled')
      assert.deepEqual([cold.status, errorCodeOf(cold), cold.headers['www-authenticate']], [403, 'DENIED', undefined])
    }

    await refusal.end(hub)
    clock.jump(refusal.heldMs)
    const fresh = await scene.manifest(repository, '1')
    assert.equal(fresh.status, 200)
    assert.ok(['revalidated', 'miss'].includes(fresh.headers['x-cache'] ?? ''), fresh.headers['x-cache'])
  })
}

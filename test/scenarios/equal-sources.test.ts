// A registry with mirrors of its own: whatever one of them does, the pull goes on with the next, and only the origin says "none".
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Hub, type HubOptions, type Rule, startHub } from '../support/hub/hub.ts'
import { ociImage } from '../support/images.ts'
import { errorCodeOf, outcomeOf } from '../support/pull.ts'
import { layerIn, type Scene, startScene } from './scene.ts'

const image = ociImage({ seed: 'equal', layerBytes: 1_000_000 })
const layer = layerIn(image)

interface Three extends Scene {
  readonly first: Hub
  readonly second: Hub
}

/** Two mirrors before the origin, which is `hub`; each has `org/image:latest`. */
async function startThree(proxy: Readonly<Record<string, unknown>> = {}, options: HubOptions = {}): Promise<Three> {
  const [first, second] = [await startHub(options), await startHub(options)]
  const scene = await startScene({ hub: options, proxy: { mirrors: [first.url, { remoteurl: second.url }], ...proxy } })
  for (const hub of [first, second, scene.hub]) hub.add('org/image', image, { tags: ['latest'] })
  return {
    ...scene,
    first,
    second,
    async [Symbol.asyncDispose]() {
      await scene[Symbol.asyncDispose]()
      await first.close()
      await second.close()
    },
  }
}

const always = (rule: Rule): Rule => ({ times: Number.POSITIVE_INFINITY, ...rule })
const whole = (digest: string) => [200, 'miss', 'whole', digest] as const

test('while all is well, the first mirror alone is asked', async () => {
  await using three = await startThree()
  assert.deepEqual(outcomeOf(await three.manifest('org/image', 'latest')), whole(image.manifest.digest))
  assert.deepEqual(outcomeOf(await three.blob('org/image', layer.digest)), whole(layer.digest))
  assert.deepEqual([...three.second.ledger, ...three.hub.ledger], [])
})

test('the first at its limit, the second cut in the middle: one connection of the client, and the right blob', async () => {
  await using three = await startThree()
  three.first.script([always({ on: { at: 'registry' }, status: 429, retryAfterSeconds: 60 })])
  three.second.script([{ on: { kind: 'cdn', digest: layer.digest }, cutAfterBytes: 400_000 }])
  assert.deepEqual(outcomeOf(await three.manifest('org/image', 'latest')), whole(image.manifest.digest))
  assert.deepEqual(outcomeOf(await three.blob('org/image', layer.digest)), whole(layer.digest))
  const [cut] = three.second.find({ kind: 'cdn' })
  assert.equal(cut?.cut, 'cut')
  const [rest, ...more] = three.hub.find({ kind: 'cdn' })
  assert.equal(rest?.headers.range, `bytes=${cut?.bytesSent}-`)
  assert.equal((cut?.bytesSent ?? 0) + (rest?.bytesSent ?? 0), layer.size)
  assert.deepEqual(more, [])
  assert.equal(three.first.count({}), 1, 'it was asked again before its Retry-After was over')
})

test('a cut by RST and a stall are the same', async () => {
  for (const fault of [{ resetAfterBytes: 200_000 }, { stallAfterBytes: 200_000 }]) {
    await using three = await startThree({ bodyidletimeout: '300ms' })
    three.first.script([{ on: { kind: 'cdn' }, ...fault }])
    assert.deepEqual(outcomeOf(await three.blob('org/image', layer.digest)), whole(layer.digest))
    assert.deepEqual([three.first.count({ kind: 'cdn' }), three.second.count({ kind: 'cdn' }), three.hub.count({})], [1, 1, 0])
  }
})

describe('a mirror', () => {
  test('that lacks an image is passed over', async () => {
    await using three = await startThree()
    for (const hub of [three.first, three.second]) hub.deleteRepository('org/image')
    assert.deepEqual(outcomeOf(await three.manifest('org/image', 'latest')), whole(image.manifest.digest))
    assert.deepEqual(outcomeOf(await three.blob('org/image', layer.digest)), whole(layer.digest))
  })

  test('that lacks a layer only is passed over for it', async () => {
    await using three = await startThree()
    three.first.deleteBlob('org/image', layer.digest)
    assert.deepEqual(outcomeOf(await three.blob('org/image', layer.digest)), whole(layer.digest))
    assert.equal(three.hub.count({}), 0)
  })

  test('that is down costs one try, and is used again when it is back', async () => {
    await using three = await startThree({ tags: { ttl: '0s' } })
    await three.first.down()
    assert.equal((await three.manifest('org/image', 'latest')).status, 200)
    assert.equal((await three.blob('org/image', layer.digest)).status, 200)
    await three.first.up()
    await three.second.down()
    await three.hub.down()
    assert.equal((await three.manifest('org/image', 'latest')).headers['x-cache'], 'revalidated')
    assert.equal(three.first.count({ kind: 'manifest', method: 'HEAD', status: 200 }), 1)
  })

  test('that serves wrong bytes spoils one pull, not the next', async () => {
    await using three = await startThree()
    three.first.script([always({ on: { kind: 'cdn', digest: layer.digest }, wrongBytes: true })])
    const spoilt = await three.blob('org/image', layer.digest)
    assert.ok(spoilt.ending !== 'whole' && spoilt.body.length < layer.size)
    assert.deepEqual(outcomeOf(await three.blob('org/image', layer.digest)), whole(layer.digest))
    assert.equal(three.second.bytesSent({ kind: 'cdn' }), layer.size)
  })

  test('that serves a wrong manifest spoils nothing', async () => {
    await using three = await startThree()
    three.first.script([always({ on: { kind: 'manifest', method: 'GET' }, wrongBytes: true })])
    assert.deepEqual(outcomeOf(await three.manifest('org/image', image.manifest.digest)), whole(image.manifest.digest))
  })

  test('that says another size than the one before it is passed over in the middle', async () => {
    await using three = await startThree()
    three.first.script([{ on: { kind: 'cdn' }, cutAfterBytes: 300_000 }])
    three.second.script([always({ on: { kind: 'cdn' }, ignoreRange: true, extraBytes: 7 })])
    assert.deepEqual(outcomeOf(await three.blob('org/image', layer.digest)), whole(layer.digest))
  })

  test('whose quota is used up is not asked for manifests, but for blobs', async () => {
    await using three = await startThree({}, { quota: { limit: 1, windowSeconds: 3600 } })
    const another = ociImage({ seed: 'another' })
    for (const hub of [three.first, three.second, three.hub]) hub.add('org/another', another, { tags: ['latest'] })
    await three.manifest('org/image', 'latest')
    assert.equal(three.first.quotaUsed(), 1)
    assert.equal((await three.manifest('org/another', 'latest')).status, 200)
    const pulls = [three.first, three.second, three.hub].map(
      (hub) => hub.find({ kind: 'manifest', method: 'GET', status: [200, 429] }).length,
    )
    assert.deepEqual(pulls, [1, 1, 0])
    assert.deepEqual(outcomeOf(await three.blob('org/image', layer.digest)), whole(layer.digest))
    assert.equal(three.first.count({ kind: 'cdn' }), 1)
  })
})

describe('what nobody has or nobody can give', () => {
  test('is 404 when the origin says so', async () => {
    await using three = await startThree()
    const reply = await three.manifest('org/image', 'no-such-tag')
    assert.deepEqual([reply.status, errorCodeOf(reply)], [404, 'MANIFEST_UNKNOWN'])
    assert.equal(three.hub.count({ kind: 'manifest', status: 404 }), 1)
  })

  test('is never 404 when the origin is away and the mirrors lack it', async () => {
    await using three = await startThree()
    for (const hub of [three.first, three.second]) hub.deleteTag('org/image', 'latest')
    await three.hub.down()
    const reply = await three.manifest('org/image', 'latest')
    assert.deepEqual([reply.status, errorCodeOf(reply)], [502, 'UNAVAILABLE'])
  })

  test('is the origin’s own failure when all fail', async () => {
    await using three = await startThree()
    await three.first.down()
    await three.second.down()
    three.hub.script([always({ on: { at: 'registry' }, status: 429, retryAfterSeconds: 17 })])
    const reply = await three.manifest('org/image', 'latest')
    assert.deepEqual([reply.status, errorCodeOf(reply), reply.headers['retry-after']], [429, 'TOOMANYREQUESTS', '17'])
  })
})

test('a further upstream may have mirrors, too', async () => {
  await using mirror = await startHub()
  await using origin = await startHub()
  await using scene = await startScene({ proxy: { upstreams: { 'ghcr.io': { remoteurl: origin.url, mirrors: mirror.url } } } })
  for (const hub of [mirror, origin]) hub.add('org/image', image, { tags: ['latest'] })
  mirror.script([{ on: { kind: 'cdn' }, cutAfterBytes: 100_000 }])
  assert.deepEqual(outcomeOf(await scene.manifest('ghcr.io/org/image', 'latest')), whole(image.manifest.digest))
  assert.deepEqual(outcomeOf(await scene.blob('ghcr.io/org/image', layer.digest)), whole(layer.digest))
  assert.deepEqual([mirror.count({ kind: 'cdn' }), origin.count({ kind: 'cdn' }), scene.hub.count({})], [1, 1, 0])
})

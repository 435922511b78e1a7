// Two registries with the same names and different content, behind one mirror: what is asked of one is never answered by the other.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Hub, type HubOptions, startHub } from '../support/hub/hub.ts'
import { digestOf, ociImage } from '../support/images.ts'
import { errorCodeOf, outcomeOf, pull } from '../support/pull.ts'
import type { StartOptions } from '../support/registry.ts'
import { filesBelow } from '../support/store-tree.ts'
import { bytesOf, gate, layerIn, type Scene, startScene } from './scene.ts'

const mine = ociImage({ seed: 'mine', layers: 1 })
const other = ociImage({ seed: 'other', layers: 1 })

interface Two extends Scene {
  /** Behind `ghcr.io`; `hub` is the main one. */
  readonly ghcr: Hub
  get(path: string): ReturnType<typeof pull>
}

/** Both have `org/image:latest`, each its own. */
async function startTwo(
  proxy: Readonly<Record<string, unknown>> = {},
  more: Partial<StartOptions> = {},
  ghcrOptions: HubOptions = {},
): Promise<Two> {
  const ghcr = await startHub(ghcrOptions)
  const { upstreams = {}, ...others } = proxy as { upstreams?: { 'ghcr.io'?: object } }
  const all = { ...upstreams, 'ghcr.io': { remoteurl: ghcr.url, ...upstreams['ghcr.io'] } }
  const scene = await startScene({ ...more, proxy: { libraryprefix: true, ...others, upstreams: all } })
  scene.hub.add('org/image', mine, { tags: ['latest'] })
  ghcr.add('org/image', other, { tags: ['latest'] })
  return {
    ...scene,
    ghcr,
    get: (path) => pull(`${scene.registry.url}/v2/${path}`),
    async [Symbol.asyncDispose]() {
      await scene[Symbol.asyncDispose]()
      await ghcr.close()
    },
  }
}

const ways: readonly (readonly [string, (path: string) => string])[] = [
  ['ns', (path) => `org/image/${path}?ns=ghcr.io`],
  ['the host in the path', (path) => `ghcr.io/org/image/${path}`],
  ['both', (path) => `ghcr.io/org/image/${path}?ns=ghcr.io`],
]

describe('the same name in two registries', () => {
  for (const [way, pathOf] of ways) {
    test(`is two repositories, told apart by ${way}`, async () => {
      await using two = await startTwo()
      for (const [verdict, again] of [
        ['miss', false],
        ['revalidated', true],
      ] as const) {
        const here = outcomeOf(await two.get('org/image/manifests/latest'))
        const there = outcomeOf(await two.get(pathOf('manifests/latest')))
        assert.deepEqual(here, [200, verdict, 'whole', mine.manifest.digest])
        assert.deepEqual(there, [200, verdict, 'whole', other.manifest.digest])
        if (again) continue
        for (const [image, prefix] of [
          [mine, (path: string) => `org/image/${path}`],
          [other, pathOf],
        ] as const) {
          const { digest } = layerIn(image)
          assert.deepEqual(outcomeOf(await two.get(prefix(`blobs/${digest}`))), [200, 'miss', 'whole', digest])
        }
      }
      assert.equal(two.hub.count({ kind: 'manifest', method: 'GET' }), 1)
      assert.equal(two.ghcr.count({ kind: 'manifest', method: 'GET' }), 1)
      for (const { repository } of [...two.hub.ledger, ...two.ghcr.ledger])
        assert.ok([undefined, 'org/image'].includes(repository), repository)
    })
  }

  test('a digest of one is not found under the name of the other, cached or not', async () => {
    await using two = await startTwo()
    const layer = layerIn(mine).digest
    for (const warm of [false, true]) {
      if (warm) {
        await two.get(`org/image/manifests/${mine.manifest.digest}`)
        await two.get(`org/image/blobs/${layer}`)
        await two.kept('org/image', layer)
      }
      const manifest = await two.get(`org/image/manifests/${mine.manifest.digest}?ns=ghcr.io`)
      assert.deepEqual([manifest.status, errorCodeOf(manifest)], [404, 'MANIFEST_UNKNOWN'])
      const blob = await two.get(`ghcr.io/org/image/blobs/${layer}`)
      assert.deepEqual([blob.status, errorCodeOf(blob)], [404, 'BLOB_UNKNOWN'])
    }
    assert.ok(two.ghcr.count({ kind: 'blob', digest: layer }) > 0, 'nobody asked the registry in question')
  })

  test('a blob that both have is fetched once, after the second one confirmed it', async () => {
    await using two = await startTwo()
    const layer = layerIn(mine)
    two.ghcr.addBlob('org/image', layer)
    await two.get(`org/image/blobs/${layer.digest}`)
    await two.kept('org/image', layer.digest)
    // The fill may have just ended or be about to; both are the bytes that are here.
    const [status, verdict, ...rest] = outcomeOf(await two.get(`ghcr.io/org/image/blobs/${layer.digest}`))
    assert.deepEqual([status, verdict !== 'miss', ...rest], [200, true, 'whole', layer.digest])
    assert.equal(two.ghcr.count({ kind: 'blob', digest: layer.digest, method: 'HEAD', status: 200 }), 1)
    assert.equal(two.ghcr.count({ kind: 'cdn' }), 0)
  })

  test('a blob on its way in for one is given to the other only if that one has it', async () => {
    await using two = await startTwo()
    const layer = layerIn(mine)
    const hold = gate()
    two.hub.script([{ on: { kind: 'cdn', digest: layer.digest }, stallAfterBytes: 100, until: hold.opened }])
    const first = two.get(`org/image/blobs/${layer.digest}`)
    await two.hub.seen({ kind: 'cdn', digest: layer.digest, minBytes: 100 })
    assert.equal((await two.get(`org/image/blobs/${layer.digest}?ns=ghcr.io`)).status, 404)
    hold.open()
    assert.deepEqual(outcomeOf(await first), [200, 'miss', 'whole', layer.digest])
  })

  test('on disk, all but the main one’s names begin with their host', async () => {
    await using two = await startTwo()
    await two.get('org/image/manifests/latest')
    await two.get('ghcr.io/org/image/manifests/latest')
    const files = await filesBelow(`${two.registry.folder}/docker/registry/v2/repositories`)
    const tops = new Set(files.map((file) => file.slice(0, file.indexOf('/_manifests'))))
    assert.deepEqual([...tops].toSorted(), ['ghcr.io/org/image', 'org/image'])
  })

  test('one being down is no matter to the other', async () => {
    await using two = await startTwo()
    await two.get('ghcr.io/org/image/manifests/latest')
    await two.ghcr.down()
    assert.deepEqual(outcomeOf(await two.get('org/image/manifests/latest')), [200, 'miss', 'whole', mine.manifest.digest])
    assert.deepEqual(outcomeOf(await two.get('ghcr.io/org/image/manifests/latest')), [200, 'stale', 'whole', other.manifest.digest])
  })
})

describe('a registry that is not served here', () => {
  for (const path of [
    'org/image/manifests/latest?ns=quay.io',
    'org/image/tags/list?ns=quay.io',
    'quay.io/org/image/manifests/latest?ns=ghcr.io&ns=quay.io',
  ]) {
    test(`${path} is 404, and nobody is asked`, async () => {
      await using two = await startTwo()
      const reply = await two.get(path)
      assert.deepEqual([reply.status, errorCodeOf(reply)], [404, 'NAME_UNKNOWN'])
      assert.deepEqual([...two.hub.ledger, ...two.ghcr.ledger], [])
    })
  }

  test('ns and path that contradict each other are 404, and nobody is asked', async () => {
    await using two = await startTwo({ upstreams: { 'quay.io': {} } })
    for (const path of ['ghcr.io/org/image/manifests/latest?ns=docker.io', 'ghcr.io/org/image/manifests/latest?ns=quay.io']) {
      const reply = await two.get(path)
      assert.deepEqual([reply.status, errorCodeOf(reply)], [404, 'NAME_UNKNOWN'])
    }
    assert.deepEqual([...two.hub.ledger, ...two.ghcr.ledger], [])
  })
})

test('lists show the name that the client asked for, and lead on within the same registry', async () => {
  await using two = await startTwo()
  two.ghcr.moveTag('org/image', 'second', other.manifest.digest)
  const first = await two.get('org/image/tags/list?ns=ghcr.io&n=1')
  assert.deepEqual(JSON.parse(first.body.toString()), { name: 'org/image', tags: ['latest'] })
  const next = /<([^>]+)>/.exec(first.headers['link'] ?? '')?.[1]
  const second = await pull(`${two.registry.url}${next}`)
  assert.deepEqual(JSON.parse(second.body.toString()), { name: 'org/image', tags: ['second'] })
  assert.deepEqual(JSON.parse((await two.get('ghcr.io/org/image/tags/list')).body.toString()).name, 'ghcr.io/org/image')
  assert.equal(two.hub.count({}), 0)
})

test('official images have library/ at the Hub only', async () => {
  await using two = await startTwo()
  two.hub.add('library/app', mine, { tags: ['latest'] })
  const reply = outcomeOf(await two.get('app/manifests/latest?ns=docker.io'))
  assert.deepEqual(reply, [200, 'miss', 'whole', mine.manifest.digest])
  two.ghcr.add('library/app', other, { tags: ['latest'] })
  assert.notEqual((await two.get('app/manifests/latest?ns=ghcr.io')).status, 200)
  assert.ok(
    two.ghcr.find({ kind: 'manifest' }).every(({ url }) => url.startsWith('/v2/app/')),
    two.ghcr.describeLedger(),
  )
})

test('each registry gets its own credentials and never another’s', async () => {
  await using two = await startTwo({
    username: 'me',
    password: 'for the hub',
    upstreams: { 'ghcr.io': { username: 'you', password: 'for ghcr' } },
  })
  two.hub.addAccount('me', 'for the hub', { mayPull: ['me/app'] })
  two.ghcr.addAccount('you', 'for ghcr', { mayPull: ['you/app'] })
  two.hub.add('me/app', mine, { tags: ['1'], private: true })
  two.ghcr.add('you/app', other, { tags: ['1'], private: true })
  assert.equal((await two.get('me/app/manifests/1')).status, 200)
  assert.equal((await two.get('you/app/manifests/1?ns=ghcr.io')).status, 200)
  const loginsOf = (hub: Hub) => new Set(hub.tokens().map(({ headers, account }) => `${account} ${headers.authorization}`))
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
  assert.deepEqual(loginsOf(two.hub), new Set([`me ${basic('me:for the hub')}`]))
  assert.deepEqual(loginsOf(two.ghcr), new Set([`you ${basic('you:for ghcr')}`]))
})

describe('any registry on demand', () => {
  test('is asked by HTTPS under its own name where the list allows it, and not otherwise', async () => {
    await using ghcr = await startHub({ tls: true })
    ghcr.add('org/image', other, { tags: ['latest'] })
    const { host, port } = new URL(ghcr.url)
    const scene = await startScene({ proxy: { upstreams: { '*': { allow: [`*.docker.hub.test:${port}`], ca: ghcr.caFile } } } })
    await using _end = scene
    scene.hub.add('org/image', mine, { tags: ['latest'] })
    const get = (path: string) => pull(`${scene.registry.url}/v2/${path}`)
    for (const path of [`${host}/org/image`, `org/image`]) {
      const ns = path === 'org/image' ? `?ns=${host}` : ''
      const { digest } = layerIn(other)
      assert.equal(digestOf((await get(`${path}/manifests/latest${ns}`)).body), other.manifest.digest)
      assert.deepEqual(outcomeOf(await get(`${path}/blobs/${digest}${ns}`)).slice(2), ['whole', digest])
    }
    assert.equal(ghcr.count({ kind: 'cdn' }), 1)
    scene.hub.clearLedger()
    for (const ns of [`auth.docker.hub.test:${port}0`, 'auth.docker.hub.test', `localhost:${port}`, `127.0.0.1:${port}`]) {
      assert.equal((await get(`org/image/manifests/latest?ns=${ns}`)).status, 404, ns)
    }
    assert.deepEqual(scene.hub.ledger, [])
  })

  test('is off unless it is configured', async () => {
    await using two = await startTwo()
    const { host } = new URL(two.ghcr.url)
    assert.equal((await two.get(`org/image/manifests/latest?ns=${host}`)).status, 404)
    assert.deepEqual(two.ghcr.ledger, [])
  })
})

test('a blob is right whichever name it came by', async () => {
  await using two = await startTwo()
  const layer = layerIn(other)
  const whole = await bytesOf(layer)
  const range = { headers: { range: 'bytes=5-19' } }
  const reply = await pull(`${two.registry.url}/v2/ghcr.io/org/image/blobs/${layer.digest}`, range)
  assert.deepEqual([reply.status, reply.body], [206, whole.subarray(5, 20)])
})

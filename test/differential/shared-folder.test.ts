// docker-registry and ours on one folder at once, with one http.secret: what either takes, the other serves, lists, goes on
// with and cleans up.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { acceptAll, digestOf, dockerImage, dockerList, type Image, ociImage, ociIndex, seededBytes } from '../support/images.ts'
import { makeOld } from '../support/old-files.ts'
import { needsPackages, programPath } from '../support/packages.ts'
import { startRegistry } from '../support/registry.ts'
import { startDockerRegistry } from '../support/servers/docker-registry.ts'
import { pushImage } from '../support/servers/push.ts'
import { assertSound, keptBlobs } from '../support/store-tree.ts'
import { until } from '../support/until.ts'

const suite = 'a folder shared with docker-registry'
const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

interface Server extends AsyncDisposable {
  readonly url: string
}

function withChildren(image: Image): Image[] {
  return [image, ...image.children.flatMap(withChildren)]
}

function digestsIn(image: Image): string[] {
  return withChildren(image).flatMap(({ manifest, blobs }) => [manifest.digest, ...blobs.keys()])
}

async function assertPulled({ url }: Server, repository: string, image: Image, reference: string): Promise<void> {
  const answer = await fetch(`${url}/v2/${repository}/manifests/${reference}`, { headers: { accept: acceptAll } })
  assert.equal(answer.headers.get('docker-content-digest'), image.manifest.digest)
  assert.deepEqual(Buffer.from(await answer.arrayBuffer()), image.manifest.bytes)
  for (const digest of image.blobs.keys()) {
    const blob = await fetch(`${url}/v2/${repository}/blobs/${digest}`)
    assert.equal(digestOf(Buffer.from(await blob.arrayBuffer())), digest)
  }
  for (const child of image.children) await assertPulled({ url } as Server, repository, child, child.manifest.digest)
}

async function jsonOf({ url }: Server, path: string): Promise<Record<string, string[]>> {
  return (await (await fetch(`${url}${path}`)).json()) as Record<string, string[]>
}

describe(suite, await needsPackages(suite, ['docker-registry']), () => {
  let folder: string
  let root: string
  let servers: Readonly<Record<'ours' | 'theirs', Server>>

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'entrepot-shared-'))
    root = join(folder, 'data')
    const storage = { filesystem: { rootdirectory: root }, delete: { enabled: true } }
    servers = {
      theirs: await startDockerRegistry({ storageFolder: root }),
      ours: await startRegistry({ folder: root, config: { storage, http: { addr: '127.0.0.1:0', secret: 'test' } } }),
    }
    await writeFile(join(folder, 'config.yml'), JSON.stringify({ version: 0.1, storage }))
  })
  after(async () => {
    await servers?.ours[Symbol.asyncDispose]()
    await servers?.theirs[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  const ways = [
    ['ours', 'theirs'],
    ['theirs', 'ours'],
  ] as const
  const images = (seed: string) => [
    ociImage({ seed: `${seed} 1`, layers: 2 }),
    dockerImage({ seed: `${seed} 2` }),
    ociIndex({ seed: `${seed} 3` }),
    dockerList({ seed: `${seed} 4` }),
  ]

  for (const [first, second] of ways) {
    test(`pushed to ${first}, pulled from ${second}, by tag and by digest, also after a tag has moved`, async () => {
      for (const [index, image] of images(first).entries()) {
        const repository = `${first}/app-${index}`
        await pushImage(servers[first], repository, image, ['1', 'latest'])
        for (const reference of ['1', 'latest', image.manifest.digest]) await assertPulled(servers[second], repository, image, reference)
      }
      const next = ociImage({ seed: `${first} moved` })
      await pushImage(servers[second], `${first}/app-0`, next, ['latest'])
      await assertPulled(servers[second], `${first}/app-0`, next, 'latest')
    })

    test(`an upload begun by ${first} is continued by ${second}, asked about at ${first}, and finished by ${second}`, async () => {
      const bytes = seededBytes(`shared ${first}`, 30_000)
      const digest = digestOf(bytes)
      const headers = { 'content-type': 'application/octet-stream' }
      const part = (start: number, end?: number) => new Uint8Array(bytes.subarray(start, end))
      const at = (server: Server, location: string | null) => {
        const address = new URL(location ?? '')
        address.host = new URL(server.url).host
        return address
      }
      const begun = await fetch(`${servers[first].url}/v2/${first}/upload/blobs/uploads/`, { method: 'POST' })
      const locations = [begun.headers.get('location')]
      const sent = await fetch(at(servers[second], locations[0] ?? null), { method: 'PATCH', headers, body: part(0, 10_000) })
      assert.deepEqual([sent.status, sent.headers.get('range')], [202, '0-9999'])
      const more = await fetch(at(servers[first], sent.headers.get('location')), { method: 'PATCH', headers, body: part(10_000, 20_000) })
      assert.deepEqual([more.status, more.headers.get('range')], [202, '0-19999'])
      const status = await fetch(at(servers[first], more.headers.get('location')))
      assert.deepEqual([status.status, status.headers.get('range')], [204, '0-19999'])
      const last = at(servers[second], status.headers.get('location'))
      last.searchParams.set('digest', digest)
      assert.equal((await fetch(last, { method: 'PUT', headers, body: part(20_000) })).status, 201)
      for (const server of [servers.ours, servers.theirs]) {
        const pulled = await fetch(`${server.url}/v2/${first}/upload/blobs/${digest}`)
        assert.deepEqual(Buffer.from(await pulled.arrayBuffer()), bytes)
      }
    })

    test(`what ${first} deletes is gone for ${second}`, async () => {
      const image = dockerImage({ seed: `deleted by ${first}` })
      const repository = `${first}/deleted`
      await pushImage(servers[second], repository, image, ['1'])
      const manifest = `/v2/${repository}/manifests/${image.manifest.digest}`
      assert.equal((await fetch(servers[first].url + manifest, { method: 'DELETE' })).status, 202)
      // Ours believes what it has in memory for a second; theirs looks each time.
      for (const path of [manifest, `/v2/${repository}/manifests/1`]) {
        for (const server of [servers.ours, servers.theirs]) {
          const isGone = async () => (await fetch(server.url + path, { headers: { accept: acceptAll } })).status === 404
          await until(`${path} is gone`, isGone)
        }
      }
    })
  }

  test('both list the same repositories and the same tags', async () => {
    const [theirs, ours] = [await jsonOf(servers.theirs, '/v2/_catalog?n=100'), await jsonOf(servers.ours, '/v2/_catalog?n=100')]
    assert.ok((ours['repositories']?.length ?? 0) >= 10)
    assert.deepEqual(ours, theirs)
    for (const repository of ours['repositories'] ?? []) {
      const path = `/v2/${repository}/tags/list`
      const [tags, mirrored] = [await jsonOf(servers.ours, path), await jsonOf(servers.theirs, path)]
      assert.deepEqual(tags['tags'] ?? [], (mirrored['tags'] ?? []).toSorted())
    }
  })

  const collectors: readonly (readonly [string, () => readonly [string, readonly string[]]])[] = [
    ['ours', () => [process.execPath, [main, 'garbage-collect', join(folder, 'config.yml')]]],
    ['theirs', () => [programPath('docker-registry'), ['garbage-collect', join(folder, 'config.yml')]]],
  ]
  for (const [who, command] of collectors) {
    test(`garbage-collect of ${who} takes what was deleted, and keeps all that is tagged or listed`, async () => {
      const kept = images(`kept from ${who}`)
      for (const [index, image] of kept.entries()) await pushImage(servers.ours, `collected/${who}-${index}`, image, ['1'])
      const gone = ociImage({ seed: `gone by ${who}` })
      await pushImage(servers.ours, `collected/${who}-0`, gone, ['2'])
      const path = `/v2/collected/${who}-0/manifests/${gone.manifest.digest}`
      assert.equal((await fetch(servers.ours.url + path, { method: 'DELETE' })).status, 202)
      await makeOld(root)
      const [program, args] = command()
      const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, OTEL_TRACES_EXPORTER: 'none' } })
      assert.deepEqual(await once(child, 'close'), [0, null])
      const left = new Set(await keptBlobs(root))
      assert.deepEqual(
        digestsIn(gone).filter((digest) => left.has(digest)),
        [],
      )
      for (const [index, image] of kept.entries()) {
        for (const server of [servers.ours, servers.theirs]) await assertPulled(server, `collected/${who}-${index}`, image, '1')
      }
      await assertSound(root)
    })
  }
})

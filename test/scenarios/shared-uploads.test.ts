// One folder and one http.secret, two registries: an upload that either began is continued and finished by the other.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { digestOf, seededBytes } from '../support/images.ts'
import { needsPackages } from '../support/packages.ts'
import { type Registry, startRegistry } from '../support/registry.ts'
import { type DockerRegistry, startDockerRegistry } from '../support/servers/docker-registry.ts'

const suite = 'uploads shared with docker-registry'

describe(suite, await needsPackages(suite, ['docker-registry']), () => {
  let folder: string
  let ours: Registry
  let theirs: DockerRegistry

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'entrepot-shared-'))
    theirs = await startDockerRegistry({ storageFolder: folder })
    ours = await startRegistry({ folder, config: { http: { addr: '127.0.0.1:0', secret: 'test' } } })
  })
  after(async () => {
    await ours?.[Symbol.asyncDispose]()
    await theirs?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  /** The address of the same upload at another registry. */
  function at({ url }: { readonly url: string }, location: string | null, digest?: string): URL {
    const address = new URL(location ?? '')
    address.host = new URL(url).host
    if (digest !== undefined) address.searchParams.set('digest', digest)
    return address
  }

  const headers = { 'content-type': 'application/octet-stream' }
  const orders: readonly (readonly [string, string, string])[] = [
    ['ours', 'theirs', 'ours'],
    ['theirs', 'ours', 'theirs'],
    ['ours', 'ours', 'theirs'],
    ['theirs', 'theirs', 'ours'],
  ]
  for (const order of orders) {
    it(`begun by ${order[0]}, continued by ${order[1]}, finished by ${order[2]}`, async () => {
      const bytes = seededBytes(`upload ${order.join()}`, 400_000)
      const digest = digestOf(bytes)
      const [first, second, third] = order.map((who) => (who === 'ours' ? ours : theirs)) as [Registry, Registry, Registry]
      const name = `shared/${order.join('-')}`
      const begun = await fetch(`${first.url}/v2/${name}/blobs/uploads/`, { method: 'POST' })
      assert.equal(begun.status, 202)
      const part = (start: number, end?: number) => new Uint8Array(bytes.subarray(start, end))
      const sent = await fetch(at(second, begun.headers.get('location')), { method: 'PATCH', headers, body: part(0, 150_000) })
      assert.deepEqual([sent.status, sent.headers.get('range')], [202, '0-149999'])
      const status = await fetch(at(first, sent.headers.get('location')))
      assert.deepEqual([status.status, status.headers.get('range')], [204, '0-149999'])
      const address = at(third, status.headers.get('location'), digest)
      const done = await fetch(address, { method: 'PUT', headers, body: part(150_000) })
      assert.deepEqual([done.status, done.headers.get('docker-content-digest')], [201, digest])
      for (const registry of [ours, theirs]) {
        const pulled = await fetch(`${registry.url}/v2/${name}/blobs/${digest}`)
        assert.deepEqual(Buffer.from(await pulled.arrayBuffer()), bytes)
      }
    })
  }

  it('cancelled by the other is gone for both', async () => {
    for (const [first, second] of [
      [ours, theirs],
      [theirs, ours],
    ] as const) {
      const begun = await fetch(`${first.url}/v2/shared/cancelled/blobs/uploads/`, { method: 'POST' })
      const location = begun.headers.get('location')
      assert.equal((await fetch(at(second, location), { method: 'DELETE' })).status, 204)
      for (const registry of [ours, theirs]) assert.equal((await fetch(at(registry, location))).status, 404)
    }
  })
})

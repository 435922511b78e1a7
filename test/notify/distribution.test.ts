// The same pushes, pulls, mounts and deletes at Debian's docker-registry and at ours: the same envelopes, but for what names the
// moment and the machine.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { digestOf } from '../support/images.ts'
import { needsPackages } from '../support/packages.ts'
import { startRegistry } from '../support/registry.ts'
import { startDockerRegistry } from '../support/servers/docker-registry.ts'
import { until } from '../support/until.ts'
import { startSink } from './sink.ts'

const manifestType = 'application/vnd.docker.distribution.manifest.v2+json'
const octets = { 'content-type': 'application/octet-stream' }
const typed = { 'content-type': manifestType, accept: manifestType }

async function pushBlob(url: string, repository: string, bytes: Buffer): Promise<string> {
  const digest = digestOf(bytes)
  const begun = await fetch(`${url}/v2/${repository}/blobs/uploads/`, { method: 'POST' })
  const place = new URL(begun.headers.get('location') ?? '', url)
  const patched = await fetch(place, { method: 'PATCH', body: new Uint8Array(bytes), headers: octets })
  const end = new URL(patched.headers.get('location') ?? '', url)
  end.searchParams.set('digest', digest)
  assert.equal((await fetch(end, { method: 'PUT' })).status, 201)
  return digest
}

async function ask(url: string, method: string, path: string, more: RequestInit = {}): Promise<number> {
  const response = await fetch(`${url}${path}`, { method, ...more })
  await response.arrayBuffer()
  return response.status
}

/** Resolves with the number of events that distribution makes of it. */
async function useRegistry(url: string): Promise<number> {
  const [config, layer] = [await pushBlob(url, 'team/a', Buffer.from('{}')), await pushBlob(url, 'team/a', Buffer.from('layer'))]
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: manifestType,
    config: { mediaType: 'application/vnd.docker.container.image.v1+json', size: 2, digest: config },
    layers: [{ mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip', size: 5, digest: layer }],
  })
  const digest = digestOf(Buffer.from(manifest))
  const statuses = [
    await ask(url, 'PUT', '/v2/team/a/manifests/latest', { body: manifest, headers: typed }),
    await ask(url, 'PUT', `/v2/team/a/manifests/${digest}`, { body: manifest, headers: typed }),
    await ask(url, 'GET', '/v2/team/a/manifests/latest', { headers: typed }),
    await ask(url, 'HEAD', `/v2/team/a/manifests/${digest}`, { headers: typed }),
    await ask(url, 'GET', `/v2/team/a/blobs/${layer}`),
    await ask(url, 'HEAD', `/v2/team/a/blobs/${layer}`),
    await ask(url, 'GET', `/v2/team/a/blobs/${layer}`, { headers: { range: 'bytes=1-2' } }),
    await ask(url, 'POST', `/v2/team/b/blobs/uploads/?mount=${layer}&from=team/a`),
    await ask(url, 'GET', '/v2/team/a/manifests/none', { headers: typed }),
    await ask(url, 'GET', '/v2/team/a/tags/list'),
    await ask(url, 'DELETE', `/v2/team/b/blobs/${layer}`),
    await ask(url, 'DELETE', `/v2/team/a/manifests/${digest}`),
  ]
  assert.deepEqual(statuses, [201, 201, 200, 200, 200, 200, 206, 201, 404, 200, 202, 202])
  return 13
}

/** With everything out that differs between two servers and two moments. */
function comparable(body: string, origin: string): string {
  return body
    .replaceAll(origin, 'ORIGIN')
    .replace(/"id": "[^"]+"/g, '"id": "ID"')
    .replace(/"timestamp": "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"/, '"timestamp": "TIME"')
    .replace(/"addr": "127\.0\.0\.1:\d+"/, '"addr": "CLIENT"')
    .replace(/"addr": "[^"]+:\d+",\s+"instanceID": "[0-9a-f-]{36}"/, '"source": "SOURCE"')
}

describe('notifications', await needsPackages('notifications beside docker-registry', ['docker-registry']), () => {
  for (const includereferences of [false, true]) {
    test(`are those of docker-registry, ${includereferences ? 'with' : 'without'} references`, async () => {
      await using theirSink = await startSink()
      await using ourSink = await startSink()
      const notify = (url: string) => ({
        notifications: { events: { includereferences }, endpoints: [{ name: 'e', url, headers: { Authorization: ['Bearer x'] } }] },
      })
      await using theirs = await startDockerRegistry({ config: notify(theirSink.url) })
      const storage = { inmemory: {}, delete: { enabled: true } }
      await using ours = await startRegistry({ config: { storage, ...notify(ourSink.url) } })
      const count = await useRegistry(theirs.url)
      await useRegistry(ours.url)
      await until('all events are there', () => theirSink.taken.length >= count && ourSink.taken.length >= count)
      const bodies = (taken: readonly { body: string }[], origin: string) => taken.map(({ body }) => comparable(body, new URL(origin).host))
      assert.deepEqual(bodies(ourSink.taken, ours.url), bodies(theirSink.taken, theirs.url))
      assert.equal(ourSink.taken[0]?.headers.authorization, 'Bearer x')
    })
  }
})

// OCI distribution specification, "Registry Proxying" and, as far as a mirror gives any, "Warnings". One test per requirement.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Answer, ask } from '../http/serving.ts'
import { ociImage } from '../support/images.ts'
import { type Scene, startScene } from '../scenarios/scene.ts'
import { openConforming } from './conforming.ts'

const image = ociImage({ seed: 'proxying' })
const [blob = ''] = image.blobs.keys()

describe('distribution-spec, registry proxying', () => {
  let scene: Scene

  before(async () => {
    scene = await startScene({ proxy: { local: ['team/**'] } })
    scene.hub.add('library/nginx', image, { tags: ['1'] })
  })
  after(() => scene[Symbol.asyncDispose]())

  const asked = (path: string): Promise<Answer> => ask(scene.registry.port, `/v2/library/nginx/${path}`)

  test('Registry Proxying: ns scopes a pull, and OCI-Namespace should say so', async () => {
    for (const path of ['manifests/1', `manifests/${image.manifest.digest}`, `manifests/${image.manifest.digest}`, `blobs/${blob}`]) {
      const { status, headers } = await asked(`${path}?ns=docker.io`)
      assert.deepEqual([path, status, headers['oci-namespace']], [path, 200, 'docker.io'])
    }
    assert.equal((await asked('manifests/1?ns=ghcr.io')).status, 404)
  })

  test('Registry Proxying: ns is optional, and without it there is no OCI-Namespace', async () => {
    for (const path of ['manifests/1', 'manifests/1?other=docker.io', `blobs/${blob}`]) {
      const { status, headers } = await asked(path)
      assert.deepEqual([path, status, headers['oci-namespace']], [path, 200, undefined])
    }
  })

  test('Registry Proxying: an ns that is no host is not repeated', async () => {
    for (const ns of ['a%0d%0aX-Evil:%201', '%00', 'x'.repeat(300)]) {
      const { status, headers } = await asked(`manifests/1?ns=${ns}`)
      assert.deepEqual([status, headers['oci-namespace'], headers['x-evil']], [404, undefined, undefined])
    }
  })

  test('Registry Proxying: a registry that mirrors nothing may ignore ns', async () => {
    await using registry = await openConforming()
    await registry.push('proxying/app', image, ['1'])
    const { status, headers } = await registry.ask('/v2/proxying/app/manifests/1?ns=ghcr.io')
    assert.deepEqual([status, headers['oci-namespace']], [200, undefined])
  })

  test('Warnings: no answer of a mirror in good health and none of a registry has one', async () => {
    const answers = [await asked('manifests/1'), await asked(`blobs/${blob}`), await asked('tags/list')]
    assert.deepEqual(
      answers.map(({ headers }) => headers['warning']),
      [undefined, undefined, undefined],
    )
  })
})

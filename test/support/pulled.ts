// Whether a registry gives a whole image back, byte for byte.
import assert from 'node:assert/strict'
import { acceptAll, digestOf } from './images.ts'

interface References {
  readonly manifests?: readonly { readonly digest: string }[]
  readonly config?: { readonly digest: string }
  readonly layers?: readonly { readonly digest: string }[]
}

/** All that the manifest names can be had, and is what its digest says. `base`: `http://host:port/v2/name`. The manifest's bytes. */
export async function assertWhole(base: string, reference: string): Promise<Buffer> {
  const answer = await fetch(`${base}/manifests/${reference}`, { headers: { accept: acceptAll } })
  const bytes = Buffer.from(await answer.arrayBuffer())
  assert.deepEqual([answer.status, answer.headers.get('docker-content-digest')], [200, digestOf(bytes)])
  const { manifests = [], config, layers = [] } = JSON.parse(bytes.toString()) as References
  for (const { digest } of manifests) await assertWhole(base, digest)
  for (const { digest } of [...(config === undefined ? [] : [config]), ...layers]) {
    const blob = await fetch(`${base}/blobs/${digest}`)
    assert.equal(digestOf(Buffer.from(await blob.arrayBuffer())), digest)
  }
  return bytes
}

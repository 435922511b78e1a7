// What a test says about the traffic between mirror and upstream, with messages that name the blob.
import assert from 'node:assert/strict'
import type { Image } from './images.ts'
import type { Upstream } from './upstreams.ts'

/** Since `forget`, every blob of the image, and of the images in an index, was transferred once, and no other blob. */
export async function assertEachBlobFetchedOnce(upstream: Upstream, image: Image): Promise<void> {
  const { blobs } = await upstream.traffic()
  const expected = digestsOfBlobs(image).toSorted()
  assert.deepEqual([...blobs.keys()].toSorted(), expected, 'the blobs asked of upstream are those of the image')
  for (const [digest, count] of blobs) assert.equal(count, 1, `${digest} was transferred ${count} times`)
}

/** Since `forget`, no manifest and no blob was asked of upstream. */
export async function assertNothingFetched(upstream: Upstream): Promise<void> {
  const { manifests, blobs } = await upstream.traffic()
  assert.equal(manifests, 0, 'manifest GETs upstream')
  assert.deepEqual([...blobs.keys()], [], 'blobs asked of upstream')
}

function digestsOfBlobs(image: Image): string[] {
  const own = [...image.blobs.keys()]
  return [...new Set([...own, ...image.children.flatMap(digestsOfBlobs)])]
}

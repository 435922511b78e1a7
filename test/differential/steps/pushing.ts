// The steps by which a blob or an image is pushed: parts of other scripts.
import { digestOf, type Image } from '../../support/images.ts'
import type { Step } from '../step.ts'

export const octets = { 'content-type': 'application/octet-stream' }

/** In one PUT. `what` names the steps and the address. */
export function pushBlobSteps(what: string, repository: string, bytes: Uint8Array): Step[] {
  const name = what.replaceAll(/\W+/g, '_')
  return [
    { what: `${what}: begin`, ask: `POST /v2/${repository}/blobs/uploads/`, keep: name },
    { what: `${what}: finish`, ask: `PUT {${name}}&digest=${digestOf(Buffer.from(bytes))}`, headers: octets, body: bytes, keep: name },
    { what: `${what}: pull from its address`, ask: `GET {${name}}` },
  ]
}

/** All blobs of an image and of what it lists, the manifests by digest, and the first by its tags. */
export async function pushImageSteps(what: string, repository: string, image: Image, tags: readonly string[]): Promise<Step[]> {
  const steps: Step[] = []
  for (const [index, child] of image.children.entries())
    steps.push(...(await pushImageSteps(`${what}: child ${index}`, repository, child, [])))
  for (const [index, blob] of [...image.blobs.values()].entries()) {
    const parts: Uint8Array[] = []
    for await (const part of blob.read(0, blob.size)) parts.push(part)
    steps.push(...pushBlobSteps(`${what}: blob ${index}`, repository, Buffer.concat(parts)))
  }
  for (const reference of [image.manifest.digest, ...tags]) {
    const told = reference === image.manifest.digest ? 'its digest' : reference
    steps.push(putManifestStep(`${what}: manifest by ${told}`, `/v2/${repository}/manifests/${reference}`, image.manifest))
  }
  return steps
}

export function putManifestStep(what: string, path: string, manifest: { readonly bytes: Uint8Array; readonly mediaType: string }): Step {
  return { what, ask: `PUT ${path}`, headers: { 'content-type': manifest.mediaType }, body: manifest.bytes }
}

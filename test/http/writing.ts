// Content that can be written, in memory and as simple as its interface allows, so that a test sees what HTTP makes of requests.
import { randomUUID } from 'node:crypto'
import type { WritableContent } from '../../src/content-sink.ts'
import type { AppOptions } from '../../src/http/app.ts'
import type { OwnContent } from '../../src/http/own-content.ts'
import { algorithmOf, type Digest, digestOf } from '../../src/oci/digest.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import { parseManifest } from '../../src/oci/manifest.ts'
import type { RepositoryName, Tag } from '../../src/oci/names.ts'
import { ask, type Answer, type Asking, contentOf, serve, type Serving } from './serving.ts'

export const secret = 'a secret of the test'
export const startedAt = Date.UTC(2026, 10, 21, 3, 4, 5, 120)
export const octets = { 'content-type': 'application/octet-stream' }
export const ociManifest = 'application/vnd.oci.image.manifest.v1+json'

export interface MemoryUpload {
  readonly repository: RepositoryName
  readonly algorithm: string | undefined
  chunks: Buffer[]
}

export class WritableMemory implements WritableContent {
  readonly uploads = new Map<string, MemoryUpload>()
  /** `name@digest` */
  readonly blobs = new Map<string, Buffer>()
  /** `name@digest` */
  readonly manifests = new Map<string, { readonly bytes: Buffer; readonly mediaType: string | undefined }>()
  /** `name:tag` */
  readonly tags = new Map<string, Digest>()

  async beginUpload(repository: RepositoryName, algorithm?: string) {
    const id = randomUUID()
    this.uploads.set(id, { repository, algorithm, chunks: [] })
    return { id, size: 0, startedAt }
  }

  async findUpload(repository: RepositoryName, id: string) {
    const upload = this.uploads.get(id)
    return upload?.repository === repository ? { id, size: this.bytesOf(id).length, startedAt } : undefined
  }

  async appendToUpload(repository: RepositoryName, id: string, chunk: { offset: number; body: AsyncIterable<Uint8Array> }) {
    const upload = this.uploads.get(id)
    if (upload === undefined) throw new RegistryError('BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry')
    if (chunk.offset !== this.bytesOf(id).length) throw new RegistryError('RANGE_INVALID', 'invalid content range')
    for await (const bytes of chunk.body) upload.chunks.push(Buffer.from(bytes))
    return (await this.findUpload(repository, id)) ?? assertNever()
  }

  async finishUpload(repository: RepositoryName, id: string, digest: Digest) {
    const bytes = this.bytesOf(id)
    if (digestOf(bytes, algorithmOf(digest)) !== digest) {
      throw new RegistryError('DIGEST_INVALID', 'provided digest did not match uploaded content')
    }
    this.uploads.delete(id)
    this.blobs.set(`${repository}@${digest}`, bytes)
    return { mediaType: 'application/octet-stream', digest, size: bytes.length }
  }

  async cancelUpload(_repository: RepositoryName, id: string) {
    return this.uploads.delete(id)
  }

  async mountBlob(repository: RepositoryName, digest: Digest, from: RepositoryName | undefined) {
    const [, bytes] = [...this.blobs].find(([key]) => (from === undefined ? key.endsWith(`@${digest}`) : key === `${from}@${digest}`)) ?? []
    if (bytes === undefined) return undefined
    this.blobs.set(`${repository}@${digest}`, bytes)
    return { mediaType: 'application/octet-stream', digest, size: bytes.length }
  }

  async pushManifest(
    repository: RepositoryName,
    manifest: { readonly bytes: Uint8Array; readonly mediaType: string | undefined },
    { expected, tags }: { readonly expected?: Digest; readonly tags: readonly Tag[] },
  ) {
    const { subject, mediaType } = parseManifest(manifest.bytes, manifest.mediaType)
    const digest = digestOf(manifest.bytes, expected === undefined ? 'sha256' : algorithmOf(expected))
    if (expected !== undefined && expected !== digest)
      throw new RegistryError('DIGEST_INVALID', 'provided digest did not match uploaded content')
    this.manifests.set(`${repository}@${digest}`, { bytes: Buffer.from(manifest.bytes), mediaType: manifest.mediaType })
    for (const tag of tags) this.tags.set(`${repository}:${tag}`, digest)
    return { descriptor: { mediaType, digest, size: manifest.bytes.length }, subject: subject?.digest }
  }

  async removeManifest(repository: RepositoryName, digest: Digest) {
    return this.manifests.delete(`${repository}@${digest}`) ? [] : undefined
  }

  async removeTag(repository: RepositoryName, tag: Tag) {
    return this.tags.delete(`${repository}:${tag}`)
  }

  async removeBlob(repository: RepositoryName, digest: Digest) {
    return this.blobs.delete(`${repository}@${digest}`)
  }

  bytesOf(id: string): Buffer {
    return Buffer.concat(this.uploads.get(id)?.chunks ?? [])
  }
}

function assertNever(): never {
  throw new Error('cannot be')
}

export interface Writing extends Serving {
  readonly store: WritableMemory
  /** A path, or an address that an answer gave. */
  ask(path: string, asking?: Asking): Promise<Answer>
  /** The address of a new upload. */
  begin(repository?: string): Promise<string>
}

export async function serveOwn(own: Partial<OwnContent> = {}, options: Partial<AppOptions> = {}): Promise<Writing> {
  const store = new WritableMemory()
  const serving = await serve({
    content: contentOf({}),
    own: { content: store, isOwn: () => true, isReadOnly: false, canDelete: true, secret: { current: secret, all: [secret] }, ...own },
    ...options,
  })
  const asked = (path: string, asking?: Asking) => ask(serving.port, pathOf(path), asking)
  return {
    ...serving,
    store,
    ask: asked,
    async begin(repository = 'a/b') {
      const { status, headers } = await asked(`/v2/${repository}/blobs/uploads/`, { method: 'POST' })
      if (status !== 202) throw new Error(`an upload was refused with ${status}`)
      return String(headers['location'])
    },
  }
}

export function pathOf(location: string): string {
  const { pathname, search } = new URL(location, 'http://x')
  return pathname + search
}

/** The address of an upload with a further parameter. */
export function withDigest(location: string, digest: string): string {
  return `${location}${location.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`
}

export function withoutState(location: string): string {
  return location.replace(/\?.*$/, '')
}

export function codesOf({ body }: Answer): string[] {
  return (JSON.parse(body.toString()) as { errors: { code: string }[] }).errors.map(({ code }) => code)
}

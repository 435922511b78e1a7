// A registry of its own, and pushes and questions in the words of the OCI distribution specification, for the tests beside this file.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DigestAlgorithm, digestOf } from '../../src/oci/digest.ts'
import { type Answer, type Asking, ask } from '../http/serving.ts'
import type { Image } from '../support/images.ts'
import { startRegistry } from '../support/registry.ts'
import { pushImage } from '../support/servers/push.ts'

export interface Conforming extends AsyncDisposable {
  readonly url: string
  /** One request by node:http; `path` as it is, or an address from a Location header. */
  ask(path: string, asking?: Asking): Promise<Answer>
  /** Everything that the image needs, and the tags. */
  push(repository: string, image: Image, tags?: readonly string[]): Promise<void>
  /** The address of a new upload. */
  begin(repository: string, query?: string): Promise<string>
  /** In one piece; its digest. */
  pushBlob(repository: string, bytes: Buffer, algorithm?: DigestAlgorithm): Promise<string>
  putManifest(repository: string, reference: string, manifest: Image['manifest']): Promise<Answer>
}

export interface ConformingOptions {
  readonly canDelete?: boolean
  /** Further top-level sections. */
  readonly config?: Readonly<Record<string, unknown>>
}

export const octets = { 'content-type': 'application/octet-stream' }

export async function openConforming({ canDelete = true, config = {} }: ConformingOptions = {}): Promise<Conforming> {
  const parts = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-conformance-'))
  parts.defer(() => rm(folder, { recursive: true, force: true }))
  const storage = { filesystem: { rootdirectory: folder }, delete: { enabled: canDelete } }
  const registry = parts.use(await startRegistry({ folder, config: { storage, ...config } }))
  const asked = (path: string, asking?: Asking) => {
    const { pathname, search } = new URL(path, registry.url)
    return ask(registry.port, pathname + search, asking)
  }
  const begin = async (repository: string, query = '') => {
    const { status, headers } = await asked(`/v2/${repository}/blobs/uploads/${query}`, {
      method: 'POST',
      headers: { 'content-length': '0' },
    })
    assert.equal(status, 202)
    return String(headers['location'])
  }
  return {
    url: registry.url,
    ask: asked,
    push: (repository, image, tags = []) => pushImage(registry, repository, image, tags),
    begin,
    async pushBlob(repository, bytes, algorithm = 'sha256') {
      const digest = digestOf(bytes, algorithm)
      const location = withDigest(await begin(repository, algorithm === 'sha256' ? '' : `?digest-algorithm=${algorithm}`), digest)
      const { status } = await asked(location, { method: 'PUT', headers: octets, body: bytes })
      assert.equal(status, 201)
      return digest
    },
    putManifest: (repository, reference, { mediaType, bytes }) =>
      asked(`/v2/${repository}/manifests/${reference}`, { method: 'PUT', headers: { 'content-type': mediaType }, body: bytes }),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

export function withDigest(location: string, digest: string): string {
  return `${location}${location.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`
}

export function jsonOf({ body }: Answer): unknown {
  return JSON.parse(body.toString())
}

/** A specification's list of errors has at least one. */
export function codesOf(answer: Answer): string[] {
  const { errors } = jsonOf(answer) as { errors: { code: string }[] }
  assert.ok(errors.length > 0)
  return errors.map(({ code }) => code)
}

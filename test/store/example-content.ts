// A store to test with, and content to put into it.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/lib/clock.ts'
import type { Descriptor } from '../../src/oci/descriptor.ts'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { mediaTypes } from '../../src/oci/media-types.ts'
import { parseRepositoryName, parseTag, type RepositoryName } from '../../src/oci/names.ts'
import type { StorageDriver } from '../../src/store/driver.ts'
import { FilesystemDriver } from '../../src/store/drivers/filesystem.ts'
import { MemoryDriver } from '../../src/store/drivers/memory.ts'
import { LocalContent, type LocalContentOptions } from '../../src/store/local-content.ts'
import { silentLog } from '../../src/telemetry/log.ts'

export const never = new AbortController().signal
export const busybox = parseRepositoryName('library/busybox')
export const nginx = parseRepositoryName('library/nginx')
export const [latest, stable] = [parseTag('latest'), parseTag('stable')]

export interface ExampleManifest {
  readonly descriptor: Descriptor
  readonly bytes: Uint8Array
}

export function manifestWith(fields: object, mediaType: string = mediaTypes.ociManifest): ExampleManifest {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, ...fields }, null, 3))
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length }, bytes }
}

/** An image manifest that says its type inside. */
export function manifestNamed(name: string): ExampleManifest {
  return manifestWith({ mediaType: mediaTypes.ociManifest, layers: [], annotations: { name } })
}

export async function putImage(content: LocalContent, repository: RepositoryName, ...tags: string[]): Promise<ExampleManifest> {
  const manifest = manifestNamed(tags[0] ?? 'untagged')
  await content.putManifest(repository, manifest)
  for (const tag of tags) await content.putTag(repository, parseTag(tag), manifest.descriptor.digest)
  return manifest
}

/** Puts the bytes into the repository as a fill does: by a file that is adopted. */
export async function putBlob(content: LocalContent, repository: RepositoryName, bytes: Uint8Array): Promise<Digest> {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-spool-'))
  const digest = digestOf(bytes)
  await writeFile(join(folder, 'fill'), bytes)
  await content.adoptBlob(repository, digest, join(folder, 'fill'))
  await rm(folder, { recursive: true })
  return digest
}

/** Copies each chunk, because its memory is used again. */
export async function collect(chunks: AsyncIterable<Uint8Array> | undefined): Promise<Buffer | undefined> {
  if (chunks === undefined) return undefined
  const parts: Buffer[] = []
  for await (const chunk of chunks) parts.push(Buffer.from(chunk))
  return Buffer.concat(parts)
}

export interface ExampleStore extends AsyncDisposable {
  readonly driver: StorageDriver
  readonly content: LocalContent
}

/** Over a new folder, or in memory. */
export async function openStore(kind: 'filesystem' | 'inmemory', options: Partial<LocalContentOptions> = {}): Promise<ExampleStore> {
  const root = kind === 'filesystem' ? await mkdtemp(join(tmpdir(), 'entrepot-store-')) : undefined
  const driver = root === undefined ? new MemoryDriver({ clock: systemClock }) : new FilesystemDriver({ root })
  return {
    driver,
    content: contentOver(driver, options),
    [Symbol.asyncDispose]: async () => {
      if (root !== undefined) await rm(root, { recursive: true, force: true })
    },
  }
}

export function contentOver(driver: StorageDriver, options: Partial<LocalContentOptions> = {}): LocalContent {
  return new LocalContent({ driver, log: silentLog, clock: systemClock, ...options })
}

export async function* chunksOf(...chunks: readonly (Uint8Array | string | Error)[]): AsyncGenerator<Uint8Array, void, void> {
  for (const chunk of chunks) {
    if (chunk instanceof Error) throw chunk
    yield Buffer.from(chunk)
  }
}

/** Pushes a blob as clients do. */
export async function pushBlob(content: LocalContent, repository: RepositoryName, bytes: Uint8Array): Promise<Digest> {
  const { id } = await content.beginUpload(repository)
  await content.appendToUpload(repository, id, { offset: 0, body: chunksOf(bytes) }, never)
  return (await content.finishUpload(repository, id, digestOf(bytes))).digest
}

/** Pushes an image of one layer, with what it needs. */
export async function pushImage(
  content: LocalContent,
  repository: RepositoryName,
  name: string,
  ...tags: string[]
): Promise<ExampleManifest> {
  const [config, layer] = [Buffer.from(JSON.stringify({ name })), Buffer.from(`layer of ${name}`)]
  for (const bytes of [config, layer]) await pushBlob(content, repository, bytes)
  const manifest = manifestWith({ mediaType: mediaTypes.ociManifest, config: descriptorOf(config), layers: [descriptorOf(layer)] })
  await push(content, repository, manifest, ...tags)
  return manifest
}

export function push(content: LocalContent, repository: RepositoryName, { descriptor, bytes }: ExampleManifest, ...tags: string[]) {
  return content.pushManifest(repository, { bytes, mediaType: descriptor.mediaType }, { tags: tags.map(parseTag) })
}

export function descriptorOf(bytes: Uint8Array, mediaType: string = mediaTypes.blob): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length }
}

// The storage driver that keeps everything in memory: for tests and for caches that may be lost. It behaves as a folder does.
import { open, rm } from 'node:fs/promises'
import type { Clock } from '../../lib/clock.ts'
import type { ByteRange } from '../../oci/range.ts'
import type { StorageDriver, StoredEntry } from '../driver.ts'

interface StoredFile {
  readonly kind: 'file'
  readonly bytes: Uint8Array
  readonly modifiedAt: number
}

interface Folder {
  readonly kind: 'directory'
  readonly children: Map<string, StoredFile | Folder>
  /** As in a file system: when a child came or went. */
  modifiedAt: number
}

const chunkBytes = 256 * 1024

export class MemoryDriver implements StorageDriver {
  readonly name = 'inmemory'
  readonly #clock: Clock
  readonly #root: Folder

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock
    this.#root = this.#newFolder()
  }

  async stat(path: string): Promise<StoredEntry | undefined> {
    const node = this.#find(path)
    if (node === undefined) return undefined
    return { kind: node.kind, size: node.kind === 'file' ? node.bytes.length : 0, modifiedAt: node.modifiedAt }
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    const node = this.#find(path)
    return node?.kind === 'file' ? node.bytes : undefined
  }

  async write(path: string, bytes: Uint8Array): Promise<void> {
    // Not `slice`, which for a Buffer is the same memory.
    this.#place(path, new Uint8Array(bytes))
  }

  async append(path: string, offset: number, body: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<number> {
    signal.throwIfAborted()
    const node = this.#find(path)
    if (node?.kind === 'directory') throw failure('EISDIR', path)
    if (node === undefined && offset > 0) throw failure('ENOENT', path)
    const size = node?.bytes.length ?? 0
    if (size !== offset) throw new Error(`${path} has ${size} bytes, so nothing can be appended at ${offset}`)
    const parts: Uint8Array[] = node === undefined ? [] : [node.bytes]
    try {
      for await (const chunk of body) {
        signal.throwIfAborted()
        parts.push(chunk)
      }
    } finally {
      this.#place(path, new Uint8Array(Buffer.concat(parts)))
    }
    return parts.reduce((sum, part) => sum + part.length, 0)
  }

  async touch(path: string, changedAt: number): Promise<boolean> {
    const node = this.#find(path)
    if (node?.kind !== 'file') return false
    this.#folderFor(path)[0].children.set(path.slice(path.lastIndexOf('/') + 1), { ...node, modifiedAt: changedAt })
    return true
  }

  async *open(path: string, range: ByteRange | undefined, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    const node = this.#find(path)
    if (node?.kind !== 'file') throw failure('ENOENT', path)
    const endExclusive = range === undefined ? node.bytes.length : range.end + 1
    if (endExclusive > node.bytes.length) throw new Error(`${path} ends at byte ${node.bytes.length}, before the range does`)
    for (let position = range?.start ?? 0; position < endExclusive; position += chunkBytes) {
      signal.throwIfAborted()
      yield node.bytes.subarray(position, Math.min(position + chunkBytes, endExclusive))
    }
  }

  async list(path: string): Promise<string[] | undefined> {
    const node = this.#find(path)
    return node?.kind === 'directory' ? [...node.children.keys()] : undefined
  }

  async move(from: string, to: string): Promise<void> {
    const node = this.#find(from)
    if (node === undefined) throw failure('ENOENT', from)
    const [folder, name] = this.#folderFor(to)
    if (folder.children.get(name)?.kind === 'directory') throw failure('EISDIR', to)
    this.#detach(from)
    this.#setChild(folder, name, node)
  }

  async remove(path: string): Promise<boolean> {
    return this.#detach(path)
  }

  async removeEmptyFolder(path: string): Promise<boolean> {
    const node = this.#find(path)
    return node?.kind === 'directory' && node.children.size === 0 && this.#detach(path)
  }

  async adopt(file: string, path: string): Promise<void> {
    this.#place(path, await readFileOfAnySize(file))
    await rm(file)
  }

  #newFolder(): Folder {
    return { kind: 'directory', children: new Map(), modifiedAt: this.#clock.now() }
  }

  #find(path: string): StoredFile | Folder | undefined {
    let node: StoredFile | Folder | undefined = this.#root
    for (const name of path.slice(1).split('/')) {
      if (node?.kind !== 'directory') return undefined
      node = node.children.get(name)
    }
    return node
  }

  #place(path: string, bytes: Uint8Array): void {
    const [folder, name] = this.#folderFor(path)
    if (folder.children.get(name)?.kind === 'directory') throw failure('EISDIR', path)
    this.#setChild(folder, name, { kind: 'file', bytes, modifiedAt: this.#clock.now() })
  }

  /** The folder that the path is in, made on the way, and the path's last name. */
  #folderFor(path: string): [Folder, string] {
    const names = path.slice(1).split('/')
    const last = names.pop() ?? ''
    let folder = this.#root
    for (const name of names) {
      let next = folder.children.get(name)
      if (next === undefined) this.#setChild(folder, name, (next = this.#newFolder()))
      if (next.kind !== 'directory') throw failure('ENOTDIR', path)
      folder = next
    }
    return [folder, last]
  }

  #detach(path: string): boolean {
    const end = path.lastIndexOf('/')
    const folder = end === 0 ? this.#root : this.#find(path.slice(0, end))
    if (folder?.kind !== 'directory' || !folder.children.delete(path.slice(end + 1))) return false
    folder.modifiedAt = this.#clock.now()
    return true
  }

  #setChild(folder: Folder, name: string, child: StoredFile | Folder): void {
    folder.children.set(name, child)
    folder.modifiedAt = this.#clock.now()
  }
}

/** Node's readFile refuses what is larger than 2 GiB. */
async function readFileOfAnySize(path: string): Promise<Uint8Array> {
  await using file = await open(path, 'r')
  const bytes = Buffer.allocUnsafeSlow((await file.stat()).size)
  for (let position = 0; position < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, position, Math.min(bytes.length - position, 1024 * 1024 * 1024), position)
    if (bytesRead === 0) throw new Error(`${path} became shorter while it was read`)
    position += bytesRead
  }
  return bytes
}

function failure(code: 'ENOENT' | 'ENOTDIR' | 'EISDIR', path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code })
}

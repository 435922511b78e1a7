// Layers that real clients can unpack: a tar archive with seeded files, gzip around it, and the odd layers found in the wild.
import { gzipSync } from 'node:zlib'
import { type BlobSource, digestOf, memoryBlob, seededBytes } from './blobs.ts'

/** A layer with the digest of its uncompressed tar, which the image's config names. */
export interface Layer {
  readonly blob: BlobSource
  readonly diffId: string
}

export interface TarFile {
  readonly name: string
  readonly bytes: Uint8Array
  /** Octal permissions, 0o644 unless told. */
  readonly mode?: number
}

/** One ustar header of 512 bytes. */
function tarHeader({ name, bytes, mode = 0o644 }: TarFile): Buffer {
  const header = Buffer.alloc(512)
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`
  header.write(name, 0, 100, 'utf8')
  header.write(octal(mode, 7), 100)
  header.write(octal(0, 7), 108)
  header.write(octal(0, 7), 116)
  header.write(octal(bytes.byteLength, 11), 124)
  header.write(octal(0, 11), 136)
  header.write('        ', 148)
  header.write('0', 156)
  header.write('ustar\x0000', 257, 'latin1')
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return header
}

/** A tar archive of plain files, all times and owners zero. */
export function tarOf(files: readonly TarFile[]): Buffer {
  const parts = files.flatMap((file) => [tarHeader(file), file.bytes, Buffer.alloc((512 - (file.bytes.byteLength % 512)) % 512)])
  return Buffer.concat([...parts, Buffer.alloc(1024)])
}

/** A gzip layer of these files. */
export function layerOf(files: readonly TarFile[]): Layer {
  const tar = tarOf(files)
  return { blob: memoryBlob(gzipSync(tar, { level: 1 })), diffId: digestOf(tar) }
}

/** A gzip layer with one file of seeded bytes; its blob is a little larger than `bytes`, because these do not compress. */
export function seededLayer(seed: number | string, bytes: number): Layer {
  return layerOf([{ name: `file-${seed}`.replaceAll('/', '-').slice(0, 90), bytes: seededBytes(seed, bytes) }])
}

/**
 * The empty layer that Docker has given to instructions without files since 2014: an empty tar in 32 bytes of gzip,
 * sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4.
 */
export function emptyGzipLayer(): Layer {
  const gzip = Buffer.from('1f8b080000096e8800ff621805a360148c5800080000ffff2eafb5ef00040000', 'hex')
  return { blob: memoryBlob(gzip), diffId: digestOf(Buffer.alloc(1024)) }
}

/** A blob without bytes: a layer that no client can unpack, but that artifacts do carry. */
export function zeroByteLayer(): Layer {
  const blob = memoryBlob(Buffer.alloc(0))
  return { blob, diffId: blob.digest }
}

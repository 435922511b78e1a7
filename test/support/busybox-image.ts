// Images that real clients can pull and run, built on the spot around Debian's static busybox: no test fetches an image.
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { type Image, indexOf, type Layer, layerOf, ociImage, type Platform, seededBytes, tarOf } from './images.ts'
import { programPath } from './packages.ts'

/** Where busybox lies in every image here. */
export const BUSYBOX = '/bin/busybox'

/** An image whose `run` prints `line`. Needs the package busybox-static. */
export async function busyboxImage(line: string, platform?: Platform): Promise<Image> {
  return ociImage({
    seed: line,
    layers: 0,
    extraLayers: [await busyboxLayer(line)],
    config: { Cmd: [BUSYBOX, 'echo', line] },
    ...(platform === undefined ? {} : { platform }),
  })
}

/**
 * linux/amd64 and linux/arm64, each printing `line` and its architecture. Both carry the busybox of this machine, so that
 * what was pulled for the other architecture can be run here, too.
 */
export async function multiPlatformImage(line: string): Promise<Image> {
  const platforms: Platform[] = [
    { architecture: 'amd64', os: 'linux' },
    { architecture: 'arm64', os: 'linux', variant: 'v8' },
  ]
  return indexOf(await Promise.all(platforms.map((platform) => busyboxImage(`${line} ${platform.architecture}`, platform))))
}

/** An image of `layers` layers with `layerBytes` of incompressible bytes each, which prints `line`. Nothing of it is held in memory. */
export async function bigImage(line: string, { layers, layerBytes }: { layers: number; layerBytes: number }): Promise<Image> {
  const big = Array.from({ length: layers }, (_, index) => bigLayer(`${line}.${index}`, layerBytes))
  return ociImage({
    seed: line,
    layers: 0,
    extraLayers: [await busyboxLayer(line), ...big],
    config: { Cmd: [BUSYBOX, 'echo', line] },
  })
}

/** Another layer for every line: a client that has one image's layers must still ask for those of the next. */
async function busyboxLayer(line: string): Promise<Layer> {
  const busybox = await readFile(programPath('busybox'))
  return layerOf([
    { name: BUSYBOX.slice(1), bytes: busybox, mode: 0o755 },
    { name: 'line', bytes: Buffer.from(line) },
  ])
}

/** RFC 1951, 3.2.4: a stored block has a 5-byte head and at most 65,535 bytes. */
const BLOCK_BYTES = 65_535
const BLOCK_HEAD_BYTES = 5
const GZIP_HEAD = Buffer.from('1f8b08000000000000ff', 'hex')

/**
 * A tar of one file in a gzip of stored blocks. Stored, every byte's place is known, so the layer is generated from
 * whichever offset is asked for; the price is one pass over it for its digests, about a second per 250 MB.
 */
function bigLayer(seed: string, fileBytes: number): Layer {
  const tar = generatedTar(seed, fileBytes)
  const blocks = Math.ceil(tar.size / BLOCK_BYTES)
  const pieces = blocks + 2
  const diff = createHash('sha256')
  let checksum = 0
  for (let block = 0; block < blocks; block += 1) {
    const bytes = tar.block(block)
    diff.update(bytes)
    checksum = crc32(bytes, checksum)
  }
  const trailer = Buffer.alloc(8)
  trailer.writeUInt32LE(checksum, 0)
  trailer.writeUInt32LE(tar.size % 2 ** 32, 4)
  const piece = (index: number): Buffer => {
    if (index === 0) return GZIP_HEAD
    if (index === pieces - 1) return trailer
    return storedBlock(tar.block(index - 1), index === pieces - 2)
  }
  const startOf = (index: number): number =>
    index === 0 ? 0 : Math.min(GZIP_HEAD.length + (index - 1) * (BLOCK_BYTES + BLOCK_HEAD_BYTES), size - trailer.length)
  const size = GZIP_HEAD.length + blocks * BLOCK_HEAD_BYTES + tar.size + trailer.length
  const indexOfPiece = (at: number): number => {
    if (at < GZIP_HEAD.length) return 0
    if (at >= size - trailer.length) return pieces - 1
    return 1 + Math.floor((at - GZIP_HEAD.length) / (BLOCK_BYTES + BLOCK_HEAD_BYTES))
  }
  function* read(start: number, end: number): Generator<Buffer> {
    for (let at = start; at < end; ) {
      const index = indexOfPiece(at)
      const bytes = piece(index).subarray(at - startOf(index), Math.max(0, end - startOf(index)))
      yield bytes
      at += bytes.length
    }
  }
  const whole = createHash('sha256')
  for (const bytes of read(0, size)) whole.update(bytes)
  return { blob: { digest: `sha256:${whole.digest('hex')}`, size, read }, diffId: `sha256:${diff.digest('hex')}` }
}

function storedBlock(bytes: Buffer, isLast: boolean): Buffer {
  const head = Buffer.alloc(BLOCK_HEAD_BYTES)
  head.writeUInt8(isLast ? 1 : 0, 0)
  head.writeUInt16LE(bytes.length, 1)
  head.writeUInt16LE(0xffff - bytes.length, 3)
  return Buffer.concat([head, bytes])
}

/** The tar of one file of seeded bytes, by blocks: one random block over and over, each with its number stamped on it. */
function generatedTar(seed: string, fileBytes: number): { size: number; block(index: number): Buffer } {
  const name = `big-${createHash('sha256').update(seed).digest('hex').slice(0, 12)}`
  // The header of an empty file, its size and checksum then written for a file that is never held in memory.
  const header = withSize(tarOf([{ name, bytes: Buffer.alloc(0) }]).subarray(0, 512), fileBytes)
  const padding = (512 - (fileBytes % 512)) % 512
  const size = header.length + fileBytes + padding + 1024
  const random = seededBytes(seed, BLOCK_BYTES)
  return {
    size,
    block(index) {
      const start = index * BLOCK_BYTES
      const block = Buffer.from(random.subarray(0, Math.min(BLOCK_BYTES, size - start)))
      if (block.length >= 2048) block.writeUInt32LE(index, 1024)
      if (index === 0) header.copy(block)
      const endOfFile = header.length + fileBytes - start
      if (endOfFile < block.length) block.fill(0, Math.max(0, endOfFile))
      return block
    },
  }
}

function withSize(header: Buffer, bytes: number): Buffer {
  const result = Buffer.from(header)
  result.write(`${bytes.toString(8).padStart(11, '0')}\0`, 124)
  result.write('        ', 148)
  const sum = result.reduce((total, byte) => total + byte, 0)
  result.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return result
}

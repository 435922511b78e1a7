// A process that pushes blobs in small chunks, over and over, until it is killed: `node push-loop.ts <root>`.
// Each blob tells what it is in its first bytes, so that the rest of a cut one can be made.
import { randomInt } from 'node:crypto'
import { pathToFileURL } from 'node:url'
import { digestOf } from '../../src/oci/digest.ts'
import { FilesystemDriver } from '../../src/store/drivers/filesystem.ts'
import { busybox, chunksOf, contentOver, never } from './example-content.ts'

const pieceBytes = 200_000
const headBytes = 16

/** The whole blob whose beginning this is; for less than its head, any. */
export function pieceOf(beginning: Uint8Array): Buffer {
  const head = Buffer.from(beginning.subarray(0, headBytes)).toString('latin1')
  return Buffer.alloc(pieceBytes, head.length === headBytes ? head : head.padEnd(headBytes, '.'))
}

export function isWholePiece(bytes: Uint8Array, whole = true): boolean {
  if (whole && bytes.length !== pieceBytes) return false
  return Buffer.compare(pieceOf(bytes).subarray(0, bytes.length), bytes) === 0
}

async function pushForever(root: string): Promise<never> {
  const content = contentOver(new FilesystemDriver({ root }))
  for (let turn = 0; ; turn += 1) {
    const bytes = pieceOf(Buffer.from(`${turn} ${randomInt(1e9)}`.padEnd(headBytes, ' ')))
    const { id } = await content.beginUpload(busybox)
    for (let offset = 0; offset < bytes.length; offset += 20_000) {
      const body = chunksOf(bytes.subarray(offset, offset + 10_000), bytes.subarray(offset + 10_000, offset + 20_000))
      await content.appendToUpload(busybox, id, { offset, body }, never)
    }
    process.stdout.write(`${turn}\n`)
    await content.finishUpload(busybox, id, digestOf(bytes))
  }
}

const [, script, root] = process.argv
if (script !== undefined && root !== undefined && import.meta.url === pathToFileURL(script).href) await pushForever(root)

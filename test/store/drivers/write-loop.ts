// A process that writes the same few files over and over until it is killed: `node write-loop.ts <root>`.
// Each value says how long it is and repeats one number, so that a mixture of two values, or half of one, is seen.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { FilesystemDriver } from '../../../src/store/drivers/filesystem.ts'

export const paths = ['/store/a/link', '/store/a/data', '/store/b/c/link', '/store/adopted/data']

/** Between 16 KiB and 80 KiB. */
export function valueOf(turn: number): Buffer {
  const size = 16 * 1024 + ((turn * 7919) % (64 * 1024))
  const text = `${turn} of ${size} bytes\n`
  return Buffer.alloc(size, text)
}

export function isWholeValue(bytes: Uint8Array): boolean {
  const turn = /^(\d+) of \d+ bytes\n/.exec(Buffer.from(bytes.subarray(0, 60)).toString())?.[1]
  return turn !== undefined && valueOf(Number(turn)).equals(bytes)
}

async function writeForever(root: string): Promise<never> {
  const driver = new FilesystemDriver({ root })
  const spooled = join(root, 'spooled')
  for (let turn = 0; ; turn += 1) {
    // All of them come to their end before the first failure ends the process.
    const outcomes = await Promise.allSettled(paths.slice(0, 3).map((path) => driver.write(path, valueOf(turn))))
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
    await writeFile(spooled, valueOf(turn))
    await driver.adopt(spooled, '/store/adopted/data')
    process.stdout.write(`${turn}\n`)
  }
}

const [, script, root] = process.argv
if (script !== undefined && root !== undefined && import.meta.url === pathToFileURL(script).href) await writeForever(root)

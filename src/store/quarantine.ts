// Damaged blobs are moved aside, where nobody is served from, and stay for whoever wants to know what happened to them.
import type { Clock } from '../lib/clock.ts'
import { algorithmOf, type Digest, digestOfHash, hashFor, hexOf } from '../oci/digest.ts'
import type { Log } from '../telemetry/log.ts'
import type { StorageDriver } from './driver.ts'
import { blobDataPath, quarantineFolder } from './layout.ts'

export interface QuarantineParts {
  readonly driver: StorageDriver
  readonly clock: Clock
  readonly log: Log
}

export type BlobState = 'sound' | 'damaged' | 'absent'

/** Reads it whole. Throws what the driver throws while it can say nothing of the bytes. `onBytes` is told of each chunk's length, and waited for. */
export async function checkBlob(
  driver: StorageDriver,
  digest: Digest,
  signal: AbortSignal,
  onBytes?: (bytes: number) => Promise<void>,
): Promise<BlobState> {
  const path = blobDataPath(digest)
  const entry = await driver.stat(path)
  if (entry === undefined) return 'absent'
  if (entry.kind !== 'file') return 'damaged'
  const hash = hashFor(digest)
  try {
    for await (const chunk of driver.open(path, entry.size === 0 ? undefined : { start: 0, end: entry.size - 1 }, signal)) {
      hash.update(chunk)
      await onBytes?.(chunk.length)
    }
  } catch (error) {
    signal.throwIfAborted()
    // It went while it was read, or the disk cannot read it: a medium error (EIO) is damage as well.
    if (isCode(error, 'ENOENT')) return 'absent'
    if (isCode(error, 'EIO')) return 'damaged'
    throw error
  }
  return digestOfHash(hash, algorithmOf(digest)) === digest ? 'sound' : 'damaged'
}

const neverAborts = new AbortController().signal

/** For bytes that somebody could not read. Never rejects. */
export async function putAsideIfDamaged({ driver, clock, log }: QuarantineParts, digest: Digest): Promise<void> {
  try {
    if ((await checkBlob(driver, digest, neverAborts)) !== 'damaged') return
    const aside = await quarantine(driver, digest, clock.now())
    log.error({ digest, aside }, 'a stored blob is damaged: it is put aside')
  } catch (error) {
    log.error({ digest, error }, 'a blob that could not be read cannot be checked')
  }
}

/** Moves the bytes aside. Answers where they lie. */
export async function quarantine(driver: StorageDriver, digest: Digest, now: number): Promise<string> {
  const path = blobDataPath(digest)
  const aside = `${quarantineFolder}/${algorithmOf(digest)}/${hexOf(digest)}.${Math.floor(now)}`
  await driver.move(path, aside)
  await driver.removeEmptyFolder(path.slice(0, path.lastIndexOf('/')))
  return aside
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

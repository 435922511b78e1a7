// The treaty between those who push and the sweep. Who relies on a blob renews its time first and looks for its links then;
// the sweep takes a blob aside first and looks at its time then. In whatever order these happen, one of the two notices.
//
//   relies on it:   renew ─────────► read link / write link
//   sweep:          move aside ────► young? then back, else delete
import type { Digest } from '../oci/digest.ts'
import type { StorageDriver } from './driver.ts'
import { blobDataPath, condemnedPath } from './layout.ts'

/** Keeps the blob's bytes out of the sweep's reach from `now` (milliseconds since 1970) on. False: there are none. */
export async function renewBlob(driver: StorageDriver, digest: Digest, now: number): Promise<boolean> {
  const path = blobDataPath(digest)
  if (await driver.touch(path, now)) return true
  await takeBack(driver, digest)
  return driver.touch(path, now)
}

/** Puts a blob that the sweep has taken aside back in its place; harmless when there is none. */
export async function takeBack(driver: StorageDriver, digest: Digest): Promise<void> {
  const aside = condemnedPath(digest)
  if ((await driver.stat(aside)) === undefined) return
  try {
    await driver.move(aside, blobDataPath(digest))
  } catch (error) {
    // Somebody else has taken it back, or it is deleted.
    if ((await driver.stat(aside)) !== undefined) throw error
  }
}

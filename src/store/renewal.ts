// The treaty between those who push and the sweep, about bytes and links alike. Who relies on a file renews its time; the sweep
// takes a file aside before it looks at its time. In whatever order these happen, one of the two notices, and what was taken
// aside from under somebody's hands is put back by whoever comes first, so that nobody misses it in the meantime.
//
//   relies on it:   renew ───── absent? take back, renew ───── still absent? then it is gone
//   sweep:          move aside ───── young by now? take back, else delete
import type { Digest } from '../oci/digest.ts'
import type { StorageDriver } from './driver.ts'
import { blobDataPath, condemnedFolder, condemnedPath } from './layout.ts'
import { readText } from './links.ts'

/** Keeps the file out of the sweep's reach from `now` (milliseconds since 1970) on. False: there is none. */
export async function renew(driver: StorageDriver, path: string, now: number): Promise<boolean> {
  if (await driver.touch(path, now)) return true
  await takeBack(driver, path)
  return driver.touch(path, now)
}

export function renewBlob(driver: StorageDriver, digest: Digest, now: number): Promise<boolean> {
  return renew(driver, blobDataPath(digest), now)
}

/** For who finds a file absent: whether it is there after all, because a sweep had only taken it aside. */
export async function isRescued(driver: StorageDriver, path: string): Promise<boolean> {
  await takeBack(driver, path)
  return (await driver.stat(path)) !== undefined
}

/** Writes a link, or renews one that is right to the byte: that has not to wait for the disk. */
export async function renewLink(driver: StorageDriver, path: string, digest: Digest, now: number): Promise<void> {
  const isRight = (await readText(driver, path)) === digest && (await driver.touch(path, now))
  if (!isRight) await driver.write(path, Buffer.from(digest))
}

/** Deletes a file that was last changed or renewed before `youngSince`. False: it was not, or is gone already. */
export async function condemn(driver: StorageDriver, path: string, youngSince: number): Promise<boolean> {
  const aside = condemnedPath(path)
  try {
    await driver.move(path, aside)
  } catch (error) {
    // Another sweep was quicker, even if the file is there again by now.
    if (isAbsence(error)) return false
    throw error
  }
  const taken = await driver.stat(aside)
  if (taken === undefined) return false
  if (taken.modifiedAt < youngSince) return driver.remove(aside)
  await takeBack(driver, path)
  return false
}

/** What sweeps that were killed had taken aside goes back in its place. Removes the folders, too. */
export async function takeAllBack(driver: StorageDriver, folder: string = condemnedFolder): Promise<void> {
  for (const name of (await driver.list(folder)) ?? []) {
    const path = `${folder}/${name}`
    if ((await driver.stat(path))?.kind === 'directory') await takeAllBack(driver, path)
    else await takeBack(driver, path.slice(condemnedFolder.length))
  }
  await driver.removeEmptyFolder(folder)
}

/** Harmless when there is nothing to take back. */
async function takeBack(driver: StorageDriver, path: string): Promise<void> {
  const aside = condemnedPath(path)
  while ((await driver.stat(aside)) !== undefined) {
    try {
      return await driver.move(aside, path)
    } catch (error) {
      // Somebody else has taken it back, or it is deleted; or it has been taken aside anew.
      if (!isAbsence(error)) throw error
    }
  }
}

function isAbsence(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

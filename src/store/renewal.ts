// The treaty between those who push and the sweep, about bytes and links alike. Who relies on a file renews its time; the sweep
// takes a file aside before it looks at its time. In whatever order these happen, one of the two notices, and what was taken
// aside from under somebody's hands is put back by whoever comes first, so that nobody misses it in the meantime.
//
//   relies on it:   renew ───── absent? take back, renew ───── still absent? then it is gone
//   sweep:          move aside ───── young by now? take back, else delete
import type { Digest } from '../oci/digest.ts'
import type { Renewed, StorageDriver } from './driver.ts'
import { condemnedFolder, condemnedPath } from './layout.ts'
import { readText, textOf } from './links.ts'

/** More than the longest digest. */
const maxLinkBytes = 1000
const nothingLearned: Renewed = Object.freeze({})

/**
 * Keeps the file out of the sweep's reach from `now` (milliseconds since 1970) on. Answers what the driver learned on the way, with
 * the bytes if there are no more of them than `atMost`. `undefined`: there is no such file.
 */
export async function renew(driver: StorageDriver, path: string, now: number, atMost?: number): Promise<Renewed | undefined> {
  const renewed = await renewInPlace(driver, path, now, atMost)
  if (renewed !== undefined) return renewed
  await takeBack(driver, path)
  return renewInPlace(driver, path, now, atMost)
}

/** As `renew`, for who writes the file if it is not in its place: whether a sweep has taken it aside is all the same to him. */
export async function renewInPlace(driver: StorageDriver, path: string, now: number, atMost?: number): Promise<Renewed | undefined> {
  if (driver.renew !== undefined) return driver.renew(path, now, atMost)
  return (await driver.touch(path, now)) ? nothingLearned : undefined
}

/** The text of a link that others rely on by now. `undefined`: there is none. */
export async function renewedText(driver: StorageDriver, path: string, now: number): Promise<string | undefined> {
  const renewed = await renew(driver, path, now, maxLinkBytes)
  if (renewed === undefined) return undefined
  if (renewed.bytes !== undefined) return textOf(renewed.bytes)
  return (await readText(driver, path)) ?? ((await isRescued(driver, path)) ? readText(driver, path) : undefined)
}

/** For who finds a file absent: whether it is there after all, because a sweep had only taken it aside. */
export async function isRescued(driver: StorageDriver, path: string): Promise<boolean> {
  await takeBack(driver, path)
  return isThere(driver, path)
}

/** Writes a link, or renews one that is right to the byte: that has not to wait for the disk. */
export async function renewLink(driver: StorageDriver, path: string, digest: Digest, now: number): Promise<void> {
  if (!(await isRenewedLink(driver, path, digest, now))) await driver.write(path, Buffer.from(digest))
}

async function isRenewedLink(driver: StorageDriver, path: string, digest: Digest, now: number): Promise<boolean> {
  if (driver.renew === undefined) return (await readText(driver, path)) === digest && driver.touch(path, now)
  const { bytes } = (await driver.renew(path, now, maxLinkBytes)) ?? {}
  return bytes !== undefined && textOf(bytes) === digest
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
  while (await isThere(driver, aside)) {
    try {
      return await driver.move(aside, path)
    } catch (error) {
      // Somebody else has taken it back, or it is deleted; or it has been taken aside anew.
      if (!isAbsence(error)) throw error
    }
  }
}

async function isThere(driver: StorageDriver, path: string): Promise<boolean> {
  return (await (driver.sizeOf === undefined ? driver.stat(path) : driver.sizeOf(path))) !== undefined
}

function isAbsence(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

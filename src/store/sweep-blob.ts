// The one place where the bytes of a blob are deleted, for garbage collection and eviction alike.
import type { Digest } from '../oci/digest.ts'
import type { StorageDriver } from './driver.ts'
import { blobDataPath, mediaTypePath } from './layout.ts'
import { condemn } from './renewal.ts'

export interface BlobDeletion {
  /** What was written or relied on since then (milliseconds since 1970) stays. */
  readonly youngSince: number
  /** Nobody pushes here and all can be fetched again, so that the treaty of renewal.ts need not be kept to the letter. */
  readonly isExclusive?: boolean
}

/** Bytes that were deleted; `undefined`: it is gone already, or somebody needs it by now. */
export async function deleteBlob(
  driver: StorageDriver,
  digest: Digest,
  { youngSince, isExclusive }: BlobDeletion,
): Promise<number | undefined> {
  const path = blobDataPath(digest)
  const entry = await driver.stat(path)
  if (entry === undefined || entry.modifiedAt >= youngSince) return undefined
  const isDeleted = isExclusive === true ? await driver.remove(path) : await condemn(driver, path, youngSince)
  if (!isDeleted) return undefined
  await driver.removeEmptyFolder(path.slice(0, path.lastIndexOf('/')))
  if ((await driver.stat(path)) === undefined) await driver.remove(mediaTypePath(digest))
  return entry.size
}

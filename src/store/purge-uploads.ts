// Removes uploads that were begun and left: nothing else would ever free their bytes.
import type { Clock } from '../lib/clock.ts'
import type { RepositoryName } from '../oci/names.ts'
import { repositoryFolders } from './catalog.ts'
import type { StorageDriver } from './driver.ts'
import { uploadFolder, uploadsFolder, uploadsFolderName } from './layout.ts'
import { trouble } from './trouble.ts'
import { isUploadId, readStartedAt } from './uploads.ts'

export interface PurgeOptions {
  /** Milliseconds without a byte. */
  readonly olderThanMs: number
  /** Counts only. */
  readonly isDryRun?: boolean
}

export interface PurgeTotals {
  readonly purged: number
  readonly kept: number
}

export interface PurgeParts {
  readonly driver: StorageDriver
  readonly clock: Clock
}

export async function purgeUploads({ driver, clock }: PurgeParts, options: PurgeOptions, signal: AbortSignal): Promise<PurgeTotals> {
  const before = clock.now() - options.olderThanMs
  const totals = { purged: 0, kept: 0 }
  try {
    for await (const [repository, children] of repositoryFolders((path) => driver.list(path), signal)) {
      if (!children.includes(uploadsFolderName)) continue
      for (const id of await listUploads(driver, repository)) {
        if ((await lastSignOfLife(driver, repository, id)) >= before) totals.kept += 1
        else {
          totals.purged += 1
          if (options.isDryRun !== true) await driver.remove(uploadFolder(repository, id))
        }
      }
    }
  } catch (error) {
    signal.throwIfAborted()
    throw trouble('removing old uploads', error)
  }
  return totals
}

/** What is not named by a UUID is not an upload, and is left alone, as distribution leaves it. */
export async function listUploads(driver: StorageDriver, repository: RepositoryName): Promise<string[]> {
  return ((await driver.list(uploadsFolder(repository))) ?? []).filter(isUploadId)
}

/** distribution judges by the beginning alone, and would take a long upload away that still grows. Milliseconds since 1970. */
async function lastSignOfLife(driver: StorageDriver, repository: RepositoryName, id: string): Promise<number> {
  const folder = uploadFolder(repository, id)
  const entries = await Promise.all([driver.stat(folder), driver.stat(`${folder}/data`)])
  const startedAt = await readStartedAt(driver, folder)
  // Without a beginning (a crash, or another program) the bytes' own time counts, and without bytes that of the folder.
  return Math.max(startedAt ?? 0, entries[1]?.modifiedAt ?? (startedAt === undefined ? (entries[0]?.modifiedAt ?? 0) : 0))
}

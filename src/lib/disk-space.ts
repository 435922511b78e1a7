// Room on the disk that a folder is on. Asking a file system for it takes microseconds, as nothing is walked.
import { statfsSync, type StatsFs } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'

export interface DiskSpace {
  /** That an ordinary user may still write. */
  readonly freeBytes: number
  readonly totalBytes: number
}

/** Of the disk that the folder is on; of the nearest folder above it while it is not made yet. `undefined`: none of them answers. */
export async function diskSpace(folder: string): Promise<DiskSpace | undefined> {
  for (const place of upwards(folder)) {
    const stats = await statfs(place).catch(() => undefined)
    if (stats !== undefined) return spaceIn(stats)
  }
  return undefined
}

/** The same at once, for those who can't wait. A disk that hangs holds the whole process. */
export function diskSpaceNow(folder: string): DiskSpace | undefined {
  for (const place of upwards(folder)) {
    try {
      return spaceIn(statfsSync(place))
    } catch {
      // Absent, or the disk does not answer: the next one up may.
    }
  }
  return undefined
}

function* upwards(folder: string): Generator<string, void, void> {
  let place = folder
  yield place
  while (dirname(place) !== place) {
    place = dirname(place)
    yield place
  }
}

function spaceIn({ bavail, blocks, bsize }: StatsFs): DiskSpace {
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
}

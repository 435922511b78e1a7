// Makes what lies in a folder old: a sweep leaves alone what somebody may be pushing.
import { readdir, utimes } from 'node:fs/promises'
import { join } from 'node:path'

/** All files and folders below become a day older than they could be. */
export async function makeOld(folder: string): Promise<void> {
  const before = new Date(Date.now() - 24 * 3_600_000)
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  for (const entry of entries) await utimes(join(entry.parentPath, entry.name), before, before)
}

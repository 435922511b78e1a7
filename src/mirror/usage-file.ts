// Opens the file of the usage index, which several processes may do at once: it is made when it is new, and put aside when it is damaged.
import { mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import type { Log } from '../telemetry/log.ts'
import { schema, schemaVersion } from './usage-schema.ts'

/** What a transaction of another process may make this one wait. */
const busyMs = 2000

/** `file`: `:memory:` for one that ends with the process. Throws what SQLite throws for anything but damage. */
export async function openUsageFile(file: string, log: Log): Promise<DatabaseSync> {
  const { DatabaseSync: Database } = await import('node:sqlite')
  const open = () => prepared(new Database(file, { timeout: busyMs }))
  if (file !== ':memory:') mkdirSync(dirname(file), { recursive: true })
  const before = inodeOf(file)
  try {
    return open()
  } catch (error) {
    if (file === ':memory:' || !isDamage(error)) throw error
    // Unless another process has put it aside already.
    if (inodeOf(file) === before) putAside(file, error, log)
    return open()
  }
}

function prepared(database: DatabaseSync): DatabaseSync {
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 8388608; PRAGMA cache_size = -16000')
    if (versionOf(database) === 0) makeTables(database)
    const version = versionOf(database)
    if (version !== schemaVersion) throw new Error(`the usage index is of version ${version}`)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

function versionOf(database: DatabaseSync): number {
  return (database.prepare('PRAGMA user_version').get() as { user_version: number }).user_version
}

/** Several processes may find a new file at once: one of them makes the tables. */
function makeTables(database: DatabaseSync): void {
  database.exec('BEGIN IMMEDIATE')
  try {
    if (versionOf(database) === 0) database.exec(schema)
    database.exec('COMMIT')
  } catch (error) {
    database.exec('ROLLBACK')
    throw error
  }
}

function inodeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.ino
}

/** With its log: that of one file would damage the next. */
function putAside(file: string, error: unknown, log: Log): void {
  const aside = `${file}.broken`
  renameSync(file, aside)
  for (const part of ['-wal', '-shm']) rmSync(`${file}${part}`, { force: true })
  log.error({ file, aside, error }, 'the usage index cannot be read: it is put aside and made anew from the store')
}

/** SQLite, "Result and Error Codes": SQLITE_CORRUPT and SQLITE_NOTADB. A wrong version counts as damage, too. */
function isDamage(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return ('errcode' in error && (error.errcode === 11 || error.errcode === 26)) || error.message.startsWith('the usage index is of version')
}

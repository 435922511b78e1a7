// How a fill begins: with a new partial file, or with what a dead process left; and with upstream's answer.
import type { Hash } from 'node:crypto'
import { unlink } from 'node:fs/promises'
import { type BlobTransfer, type ContentSink, type ContentSource, UpstreamFailure } from '../content.ts'
import type { Clock } from '../lib/clock.ts'
import { readBuffers } from '../lib/read-buffers.ts'
import { type Digest, hashFor } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/names.ts'
import type { MirrorFacts } from '../telemetry/facts.ts'
import type { Log } from '../telemetry/log.ts'
import type { FillTransfers } from './fill-transfers.ts'
import type { Reservation, Room } from './room.ts'
import type { Spool, SpoolFile } from './spool.ts'

export interface FillParts {
  readonly transfers: FillTransfers
  readonly local: ContentSource & ContentSink
  readonly spool: Spool
  /** `undefined`: there is always room. */
  readonly room?: Room | undefined
  readonly clock: Clock
  readonly log: Log
  readonly facts: MirrorFacts
}

export interface FillStart {
  readonly transfer: BlobTransfer
  /** `undefined`: the disk has refused already. */
  readonly file: SpoolFile | undefined
  /** Of the bytes before `position`, which are in the file. */
  readonly hash: Hash
  readonly position: number
  /** Held while the fill lives. */
  readonly reservation?: Reservation | undefined
}

/**
 * `undefined`: upstream has no such blob. Throws UpstreamFailure. Leaves no file behind then, but for what a former process had
 * brought in, which upstream may be able to complete another time.
 */
export async function startFill(
  parts: FillParts,
  repository: RepositoryName,
  digest: Digest,
  signal: AbortSignal,
): Promise<FillStart | undefined> {
  const file = await claim(parts, digest)
  try {
    const start = (await resumeLeftover(parts, repository, digest, file, signal)) ?? (await beginAnew(parts, digest, file, signal))
    if (start === undefined) await discard(parts, file)
    return start === undefined ? undefined : await withRoom(parts, digest, start)
  } catch (error) {
    if (signal.aborted || (file !== undefined && (await file.handle.stat()).size > 0)) await file?.handle.close()
    else await discard(parts, file)
    throw error
  }
}

/** What there is no room for is not kept: each client then has a transfer of its own. */
async function withRoom(parts: FillParts, digest: Digest, start: FillStart): Promise<FillStart> {
  const { size } = start.transfer
  if (parts.room === undefined || start.file === undefined || size === undefined) return start
  const reservation = await parts.room.reserve(size)
  if (reservation !== undefined) return { ...start, reservation }
  parts.log.warn({ digest, size }, 'a blob is not kept, because there is no room for it: clients are served straight from upstream')
  await discard(parts, start.file)
  return { ...start, file: undefined }
}

async function beginAnew(
  { transfers }: FillParts,
  digest: Digest,
  file: SpoolFile | undefined,
  signal: AbortSignal,
): Promise<FillStart | undefined> {
  const transfer = await transfers.open(undefined, signal)
  return transfer === undefined ? undefined : { transfer, file, hash: hashFor(digest), position: 0 }
}

async function resumeLeftover(
  { transfers, log, facts }: FillParts,
  repository: RepositoryName,
  digest: Digest,
  file: SpoolFile | undefined,
  signal: AbortSignal,
): Promise<FillStart | undefined> {
  // One byte of the leftover is asked for again, so that a complete one is no range beyond the end.
  const position = (file?.leftBytes ?? 0) - 1
  if (file === undefined || position <= 0) return undefined
  try {
    const transfer = await transfers.open({ start: position }, signal)
    if (transfer === undefined) return undefined
    const hash = hashFor(digest)
    for await (const chunk of readBuffers.readChunks(file.handle.fd, 0, position, signal)) hash.update(chunk)
    facts.fill('resumed')
    log.info({ repository, digest, position }, 'resuming a blob that a former process began')
    return { transfer, file, hash, position }
  } catch (error) {
    if (!(error instanceof UpstreamFailure) || error.kind !== 'broken') throw error
    log.warn({ repository, digest, position, error }, 'what a former process left cannot be resumed: beginning anew')
    await file.handle.truncate(0)
    return undefined
  }
}

async function claim({ spool, log }: FillParts, digest: Digest): Promise<SpoolFile | undefined> {
  try {
    return await spool.claim(digest)
  } catch (error) {
    log.error({ digest, error }, 'a blob cannot be kept: no partial file can be made; clients are served straight from upstream')
    return undefined
  }
}

async function discard({ log }: FillParts, file: SpoolFile | undefined): Promise<void> {
  if (file === undefined) return
  // A disk in trouble must not hide what upstream said.
  await unlink(file.path).catch((error: unknown) => log.error({ file: file.path, error }, 'a partial file cannot be removed'))
  await file.handle.close()
}

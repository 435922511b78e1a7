// What goes, in which order: roots from the least lately used on, until enough bytes have gone.
import type { Clock } from '../lib/clock.ts'
import type { RepositoryName } from '../oci/names.ts'
import { createPins, type IsPinned, isExpired, type Pressure } from './residency.ts'
import { freedBytes, type Imagined, type Removal, type Root, type UsageIndex } from './usage-index.ts'

/** Roots that are looked at in one question, after which others get their turn. */
const pageSize = 64

export type EvictionReason = Pressure | 'expired' | 'asked'

/** How many bytes are to go, and why. */
export interface Wanted {
  readonly reason: Pressure
  readonly bytes: number
}

export interface PlannedEviction {
  readonly root: Root
  readonly reason: EvictionReason
  readonly removal: Removal
}

export interface PlanParts {
  readonly usage: { index(): Promise<UsageIndex> }
  readonly policy: { readonly ttlMs: number; readonly pins: readonly string[] }
  readonly isOwn: ((repository: RepositoryName) => boolean) | undefined
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** Without `imagined` each one must be gone before the next one is asked for. */
export async function* victims(
  { usage, policy, isOwn, clock, signal }: PlanParts,
  wanted: Wanted,
  imagined: Imagined | undefined,
): AsyncGenerator<PlannedEviction, void, void> {
  const index = await usage.index()
  const isPinned = createPins([...policy.pins, ...(await index.pins())])
  let left = wanted.bytes
  let cursor: string | undefined
  for (;;) {
    const page = await index.oldest(pageSize, cursor)
    for (const root of page) {
      const expired = isExpired(root.usedAt, policy.ttlMs, clock.now())
      if ((!expired && left <= 0) || signal.aborted) return
      if (isOwn?.(root.repository) === true || (await isSpared(root, index, isPinned))) continue
      const removal = await index.removalOf(root, imagined)
      left -= freedBytes(removal)
      yield { root, reason: expired ? 'expired' : wanted.reason, removal }
    }
    cursor = page.at(-1)?.cursor
    if (cursor === undefined) return
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Pinned, or listed by something that is pinned. */
async function isSpared(root: Root, index: UsageIndex, isPinned: IsPinned | undefined): Promise<boolean> {
  if (isPinned === undefined) return false
  const family = [root, ...(await index.parentsOf(root))]
  return family.some(({ digest, tags }) => isPinned({ repository: root.repository, digest, tags }))
}

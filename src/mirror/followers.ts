// The replicas that stream a fill from here while it runs. What only this replica has is lost when it dies, so the fill takes from
// upstream only a little more than what they have had.
//
//   upstream ──► fill ────────┤ may be so far ahead: slack
//                └──► follower┘   one that joins late comes nearer by half of what it takes, until it is as near
//
// Who takes next to nothing for a second is not waited for until it is back in motion.
import type { BlobHandle } from '../content.ts'
import type { Clock } from '../lib/clock.ts'

/** Of the blob. So much is fetched again when the one that fetches dies, and what was on its way from upstream: a few MiB. */
const slackShare = 0.01
/** What is on its way between two replicas that keep up. */
const leastSlackBytes = 1024 * 1024
/** Nobody holds the fill up for longer without taking at least `leastProgressBytes` meanwhile. */
const quietMs = 1_000
const leastProgressBytes = 256 * 1024
/** Who was not waited for any more must take so much to be waited for again. */
const comebackBytes = 1024 * 1024

/** One replica's way through the blob. */
export interface Way {
  /** Where it was, and how far behind the fill, when it began to count. */
  readonly since: number
  readonly gap: number
  /** Next byte that it gets. */
  readonly position: number
}

/** How many bytes a fill may be ahead of it. */
export function leadOver({ since, gap, position }: Way, slack: number): number {
  return Math.max(slack, gap - (position - since) / 2)
}

export function slackOf(size: number): number {
  return Math.max(leastSlackBytes, Math.floor(size * slackShare))
}

interface Follower {
  /** The connection has taken all bytes before `position`. */
  moved(position: number): void
  left(): void
}

interface Member {
  way: Way
  /** Where it was when it was given up. */
  givenUpAt: number | undefined
}

export interface FollowersParts {
  /** Of the whole blob, in bytes. */
  readonly size: number
  /** Bytes that the fill has. */
  readonly filled: () => number
  readonly clock: Clock
}

export class Followers {
  readonly #parts: FollowersParts
  readonly #slack: number
  readonly #members = new Set<Member>()
  #release: (() => void) | undefined

  constructor(parts: FollowersParts) {
    this.#parts = parts
    this.#slack = slackOf(parts.size)
  }

  join(position: number): Follower {
    const member: Member = { way: this.#wayFrom(position), givenUpAt: undefined }
    this.#members.add(member)
    return {
      moved: (to) => {
        member.way = { ...member.way, position: to }
        if (member.givenUpAt !== undefined && to - member.givenUpAt >= comebackBytes) {
          member.givenUpAt = undefined
          member.way = this.#wayFrom(to)
        }
        this.#look()
      },
      left: () => {
        this.#members.delete(member)
        this.#look()
      },
    }
  }

  /** Whether the fill should let them come nearer before it takes more. */
  get areBehind(): boolean {
    return this.#members.size > 0 && this.#slow().length > 0
  }

  /** Resolves when the fill may take more. */
  async near(): Promise<void> {
    for (let slow = this.#slow(); slow.length > 0; slow = this.#slow()) {
      const before = slow.map(({ way }) => way.position)
      if (await this.#areNearSoon()) return
      for (const [index, member] of slow.entries()) {
        const { position } = member.way
        if (position - (before[index] ?? 0) < leastProgressBytes) member.givenUpAt = position
      }
    }
  }

  async #areNearSoon(): Promise<boolean> {
    const over = new AbortController()
    const released = new Promise<true>((resolve) => (this.#release = () => resolve(true)))
    const late = this.#parts.clock.sleep(quietMs, over.signal).then(() => false)
    try {
      return await Promise.race([released, late])
    } finally {
      this.#release = undefined
      late.catch(() => undefined)
      over.abort(isOver)
    }
  }

  #look(): void {
    if (this.#release !== undefined && !this.areBehind) this.#release()
  }

  #slow(): Member[] {
    const filled = this.#parts.filled()
    return [...this.#members].filter(({ way, givenUpAt }) => givenUpAt === undefined && filled - way.position > leadOver(way, this.#slack))
  }

  #wayFrom(position: number): Way {
    return { since: position, gap: this.#parts.filled() - position, position }
  }
}

/** The same blob, for another replica: who takes it to its end follows. */
export function forReplica(blob: BlobHandle, followers: Followers): BlobHandle {
  const { size } = blob.descriptor
  const open: BlobHandle['open'] = (range, signal) => {
    const chunks = blob.open(range, signal)
    return range === undefined || range.end === size - 1 ? followed(chunks, followers, range?.start ?? 0) : chunks
  }
  return { ...blob, open }
}

async function* followed(chunks: AsyncIterable<Uint8Array>, followers: Followers, start: number): AsyncGenerator<Uint8Array> {
  const follower = followers.join(start)
  let position = start
  try {
    for await (const chunk of chunks) {
      yield chunk
      position += chunk.length
      follower.moved(position)
    }
  } finally {
    follower.left()
  }
}

/** Made once: an abort without a reason makes a new exception each time. */
const isOver = new Error('the wait is over')

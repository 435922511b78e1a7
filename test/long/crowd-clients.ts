// Many clients of one cold blob in a process of their own. One whose connection breaks goes on by Range where it was, as containerd does.
import { createHash, type Hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { RawClient } from '../bench/raw-client.ts'

export interface CrowdOrder {
  readonly port: number
  readonly path: string
  readonly size: number
  readonly clients: number
  /** Of these, how many compute sha256; the others a CRC-32, for the sake of the machine. */
  readonly hashing: number
}

export interface CrowdReport {
  readonly digests: readonly string[]
  readonly checksums: readonly number[]
  /** How many clients had to go on by Range. */
  readonly resumed: number
  readonly failures: readonly string[]
}

const mostTries = 6

class Member {
  received = 0
  tries = 0
  checksum = 0
  readonly hash: Hash | undefined

  constructor(isHashing: boolean) {
    this.hash = isHashing ? createHash('sha256') : undefined
  }

  take(bytes: Buffer): void {
    this.received += bytes.length
    if (this.hash === undefined) this.checksum = crc32(bytes, this.checksum)
    else this.hash.update(bytes)
  }
}

async function pull(member: Member, { port, path, size }: CrowdOrder): Promise<void> {
  for (; member.received < size; member.tries += 1) {
    using client = new RawClient(port)
    const range = member.received === 0 ? [] : [`Range: bytes=${member.received}-`]
    const wanted = member.received === 0 ? 200 : 206
    let status: number | undefined
    try {
      const answer = await client.get(path, (bytes) => member.take(bytes), range)
      status = answer.status
    } catch (error) {
      if (member.tries === mostTries) throw error
      continue
    }
    if (status !== wanted) throw new Error(`answered ${status} at byte ${member.received}`)
  }
}

async function run(order: CrowdOrder): Promise<CrowdReport> {
  const members = Array.from({ length: order.clients }, (_, index) => new Member(index < order.hashing))
  const outcomes = await Promise.allSettled(members.map((member) => pull(member, order)))
  return {
    digests: members.flatMap(({ hash }) => (hash === undefined ? [] : [`sha256:${hash.digest('hex')}`])),
    checksums: members.flatMap(({ hash, checksum }) => (hash === undefined ? [checksum] : [])),
    resumed: members.filter(({ tries }) => tries > 1).length,
    failures: outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [String(outcome.reason)] : [])),
  }
}

process.on('message', (order: CrowdOrder) => {
  void run(order).then((report) => process.send?.(report))
})
process.on('disconnect', () => process.exit(0))

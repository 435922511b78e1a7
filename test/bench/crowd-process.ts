// Many clients in one process, all asking for one blob at the same moment. A few hash what they get; the rest keep a CRC-32,
// because hashing 200 GB would take both cores of a small machine away from the server.
import { createHash, type Hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { RawClient } from './raw-client.ts'

export interface CrowdOrder {
  readonly port: number
  readonly path: string
  readonly clients: number
  /** Of these, how many compute sha256. */
  readonly hashing: number
}

export interface CrowdReport {
  readonly firstByteMs: readonly number[]
  readonly lastByteMs: readonly number[]
  /** `sha256:<hex>`, of those who hashed. */
  readonly digests: readonly string[]
  /** Of all others. */
  readonly checksums: readonly number[]
  readonly lengths: readonly number[]
  readonly failures: readonly string[]
}

interface Member {
  readonly hash: Hash | undefined
  checksum: number
}

async function run({ port, path, clients, hashing }: CrowdOrder): Promise<CrowdReport> {
  const members = Array.from(
    { length: clients },
    (_, index): Member => ({
      hash: index < hashing ? createHash('sha256') : undefined,
      checksum: 0,
    }),
  )
  const outcomes = await Promise.allSettled(members.map((member) => pull(member, port, path)))
  const answers = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  return {
    firstByteMs: answers.map(({ firstByteMs }) => firstByteMs),
    lastByteMs: answers.map(({ lastByteMs }) => lastByteMs),
    lengths: answers.map(({ length }) => length),
    digests: members.flatMap(({ hash }) => (hash === undefined ? [] : [`sha256:${hash.digest('hex')}`])),
    checksums: members.flatMap(({ hash, checksum }) => (hash === undefined ? [checksum] : [])),
    failures: outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [String(outcome.reason)] : [])),
  }
}

async function pull(member: Member, port: number, path: string) {
  using client = new RawClient(port)
  const answer = await client.get(path, (bytes) => {
    if (member.hash === undefined) member.checksum = crc32(bytes, member.checksum)
    else member.hash.update(bytes)
  })
  if (answer.status !== 200) throw new Error(`answered ${answer.status}`)
  return answer
}

process.on('message', (order: CrowdOrder) => {
  void run(order).then((report) => process.send?.(report))
})
process.on('disconnect', () => process.exit(0))

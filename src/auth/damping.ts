// Slows down who guesses passwords: each address has a few wrong ones free, then one per some seconds. Never touches other addresses.
import { isIPv6 } from 'node:net'
import { LRUCache } from 'lru-cache'

const freeFailures = 20
const msPerFailure = 3000
/** Who has more addresses than this gets the oldest ones back fresh. */
const maxAddresses = 10_000

export class Damping {
  /** When the address will have paid for all its failures. */
  readonly #paidAt = new LRUCache<string, number>({ max: maxAddresses })

  /** 0: it may try. */
  retryAfterSeconds(address: string, now: number): number {
    if (this.#paidAt.size === 0) return 0
    const debtMs = (this.#paidAt.get(networkOf(address)) ?? 0) - now
    return Math.max(0, debtMs - (freeFailures - 1) * msPerFailure) / 1000
  }

  failed(address: string, now: number): void {
    const network = networkOf(address)
    this.#paidAt.set(network, Math.max(this.#paidAt.get(network) ?? 0, now) + msPerFailure)
  }
}

/** Who has one IPv6 address has at least the 2^64 around it. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  const [head = '', tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  const rest = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: tail === undefined ? 0 : Math.max(0, 8 - groups.length - rest.length) }, () => '0')
  return [...groups, ...zeros, ...rest]
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, '').toLowerCase())
    .join(':')
}

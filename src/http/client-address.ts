// Who the client is: for the logs, the limits and the damping of guesses. A header is believed only from proxies in trusted ranges;
// anybody else could write anything.
import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'

/** Loopback, link-local and private networks: where a proxy of one's own stands. */
export const privateRanges: readonly string[] = [
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '169.254.0.0/16',
  '::1/128',
  'fc00::/7',
  'fe80::/10',
]

/** Throws for text that is no address range. */
export function parseRanges(ranges: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', bits] = range.split('/')
    const family = isIP(address)
    if (family === 0) throw new Error(`${range} is not a range of addresses`)
    list.addSubnet(address, bits === undefined ? (family === 6 ? 128 : 32) : Number(bits), family === 6 ? 'ipv6' : 'ipv4')
  }
  return list
}

/**
 * The last address that no trusted proxy has, which is the one that a proxy of ours saw itself: what stands before it is whatever the
 * client wrote. Where all are trusted, the last one; without a header the peer's. `-` when there is none. (distribution shows the first.)
 */
export function clientAddressOf(req: IncomingMessage, trusted: BlockList): string {
  const peer = plain(req.socket.remoteAddress)
  const forwarded = req.headers['x-forwarded-for'] ?? req.headers['x-real-ip']
  if (forwarded === undefined || !isTrustedPeer(req, trusted)) return peer
  const parts = String(forwarded).split(',')
  let last: string | undefined
  for (const part of parts.reverse()) {
    const address = addressIn(part.trim())
    // What stands behind something that is no address was not written by a proxy of ours.
    if (address === undefined) break
    last ??= address
    if (!trusted.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')) return address
  }
  return last ?? peer
}

/** Some proxies add the port. */
function addressIn(text: string): string | undefined {
  const address = plain(/^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? text.replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1'))
  return isIP(address) === 0 ? undefined : address
}

/** A connection without an address is a Unix socket: the proxy is on this machine. */
export function isTrustedPeer(req: IncomingMessage, trusted: BlockList): boolean {
  const peer = req.socket.remoteAddress
  if (peer === undefined) return true
  return trusted.check(plain(peer), isIP(plain(peer)) === 6 ? 'ipv6' : 'ipv4')
}

/** Without the wrapping that a dual-stack socket puts around IPv4. */
function plain(address: string | undefined): string {
  if (address === undefined) return '-'
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}

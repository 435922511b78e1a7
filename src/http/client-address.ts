// Whom the log names as the client. A header is believed only from proxies in trusted ranges; anybody else could write anything.
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

/** The first valid address of X-Forwarded-For, or X-Real-Ip, when the peer is trusted; else the peer's. `-` when there is none. */
export function clientAddressOf(req: IncomingMessage, trusted: BlockList): string {
  const peer = req.socket.remoteAddress
  const forwarded = req.headers['x-forwarded-for'] ?? req.headers['x-real-ip']
  if (forwarded === undefined || !isTrustedPeer(req, trusted)) return plain(peer)
  for (const part of String(forwarded).split(',')) {
    const address = part.trim()
    if (isIP(address) !== 0) return address
  }
  return plain(peer)
}

/**
 * Whom to hold responsible: the last address that no trusted proxy has, which is the one that a proxy of ours saw itself. The first
 * one, which logs show, is whatever the client wrote.
 */
export function nearestClientOf(req: IncomingMessage, trusted: BlockList): string {
  const peer = req.socket.remoteAddress
  const forwarded = req.headers['x-forwarded-for'] ?? req.headers['x-real-ip']
  if (forwarded === undefined || !isTrustedPeer(req, trusted)) return plain(peer)
  const addresses = String(forwarded)
    .split(',')
    .map((part) => plain(part.trim()))
    .filter((address) => isIP(address) !== 0)
  const untrusted = addresses.findLast((address) => !trusted.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4'))
  return untrusted ?? addresses.at(-1) ?? plain(peer)
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

// Resolves the stand-in Hub's host names to loopback, so that tests meet real host names (rules about credentials and redirects
// depend on them) without a name server. Works by import in this process, and in a child with `node --import <this file>`.
import dns from 'node:dns'
import { syncBuiltinESMExports } from 'node:module'

/** Domains whose names all lead to this machine. `stranger.test` stands for somebody else's domain. */
const domains = ['.hub.test', '.stranger.test']
/** Names below this one resolve to ::1, and to nothing else. */
const domainOfIpv6 = '.v6.hub.test'

interface Address {
  readonly address: string
  readonly family: number
}

/** The loopback address of a name, or `undefined` where the system's own resolver is to answer. */
export function loopbackOf(name: string): Address | undefined {
  const lower = name.toLowerCase().replace(/\.$/, '')
  if (lower.endsWith(domainOfIpv6)) return { address: '::1', family: 6 }
  return domains.some((domain) => lower.endsWith(domain)) ? { address: '127.0.0.1', family: 4 } : undefined
}

type Callback = (error: Error | null, ...answer: unknown[]) => void

const systemLookup = dns.lookup as unknown as (name: string, ...rest: unknown[]) => unknown
const systemPromise = dns.promises.lookup as unknown as (name: string, ...rest: unknown[]) => Promise<unknown>

function wantsAll(options: unknown): boolean {
  return typeof options === 'object' && options !== null && 'all' in options && options.all === true
}

function lookup(name: string, ...rest: unknown[]): unknown {
  const found = loopbackOf(name)
  if (found === undefined) return systemLookup(name, ...rest)
  const callback = rest.at(-1) as Callback
  const answer = wantsAll(rest[0]) ? [[found]] : [found.address, found.family]
  process.nextTick(() => callback(null, ...answer))
  return {}
}

async function lookupPromise(name: string, ...rest: unknown[]): Promise<unknown> {
  const found = loopbackOf(name)
  if (found === undefined) return systemPromise(name, ...rest)
  return wantsAll(rest[0]) ? [found] : found
}

// net.connect and tls.connect read `dns.lookup` at each call, so undici and node:http both come through here.
Object.assign(dns, { lookup })
Object.assign(dns.promises, { lookup: lookupPromise })
syncBuiltinESMExports()

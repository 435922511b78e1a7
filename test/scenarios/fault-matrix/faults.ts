// The classes of trouble, each as something that can be done to a part of the stand-in Hub, and undone.
import dns from 'node:dns'
import { abuse429, type Fault, type Hub, type Part, tokenBurst429 } from '../../support/hub/hub.ts'

/** The parts that play one role: both CDNs are in trouble at one time here. */
export type Role = 'registry' | 'token server' | 'CDN'

const partsOf: Readonly<Record<Role, readonly Part[]>> = { registry: ['registry'], 'token server': ['auth'], CDN: ['cdn-a', 'cdn-b'] }

export interface Trouble {
  readonly what: string
  /** What a client gets where nothing is cached: status and error code. */
  readonly status: number
  readonly code: 'UNAVAILABLE' | 'TOOMANYREQUESTS'
  readonly retryAfter?: string
  /** Said to clients that get an old answer. */
  readonly cause: string
  /** Upstream is silent: clients with something cached wait for the time-out. */
  readonly isSilent?: boolean
  /** How long the mirror keeps away afterwards of its own accord. */
  readonly pauseMs?: number
  readonly tls?: boolean
  begin(hub: Hub, role: Role): Promise<unknown>
  end(hub: Hub, role: Role): Promise<unknown>
}

const unreachable = { status: 502, code: 'UNAVAILABLE', cause: 'upstream is unreachable' } as const
const late = { status: 504, code: 'UNAVAILABLE', cause: 'upstream did not answer in time', isSilent: true } as const
const unavailable = { code: 'UNAVAILABLE', cause: 'upstream is unavailable' } as const
const limited = { status: 429, code: 'TOOMANYREQUESTS', cause: 'upstream (limits our rate|wants to be asked less)' } as const

/** Something done to the listeners. */
function listening(act: (hub: Hub, part: Part) => Promise<void>): Pick<Trouble, 'begin' | 'end'> {
  return {
    begin: async (hub, role) => Promise.all(partsOf[role].map((part) => act(hub, part))),
    end: async (hub, role) => Promise.all(partsOf[role].map((part) => hub.up(part))),
  }
}

/** A fault that happens to each request. */
function answering(fault: Fault): Pick<Trouble, 'begin' | 'end'> {
  return {
    begin: async (hub, role) => hub.script([{ on: { at: partsOf[role] }, ...fault, times: Number.POSITIVE_INFINITY }]),
    end: async (hub) => hub.clearScript(),
  }
}

/** Names that nobody knows any more. `net.connect` reads `dns.lookup` at each call. */
function unresolved(): Pick<Trouble, 'begin' | 'end'> {
  const { lookup } = dns
  return {
    async begin(hub, role) {
      const urls = { registry: [hub.url], 'token server': [hub.authUrl], CDN: [hub.cdnUrls['cdn-a'], hub.cdnUrls['cdn-b']] }
      const lost = new Set(urls[role].map((url) => new URL(url).hostname))
      const refusing = (name: string, ...rest: unknown[]) => {
        if (!lost.has(name)) return (lookup as unknown as (...all: unknown[]) => unknown)(name, ...rest)
        const callback = rest.at(-1) as (error: Error) => void
        return process.nextTick(() => callback(Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: 'ENOTFOUND' })))
      }
      Object.assign(dns, { lookup: refusing })
      // Connections that are open need no name.
      await Promise.all(partsOf[role].map((part) => hub.down(part)))
      await Promise.all(partsOf[role].map((part) => hub.up(part)))
    },
    end: async () => Object.assign(dns, { lookup }),
  }
}

export const troubles: readonly Trouble[] = [
  { what: 'refuses connections', ...unreachable, ...listening((hub, part) => hub.down(part)) },
  { what: 'has a name that cannot be resolved', ...unreachable, ...unresolved() },
  { what: 'cannot be connected to in time', ...late, ...listening((hub, part) => hub.blackHole(part)) },
  { what: 'does not answer', ...late, ...answering({ hang: true }) },
  { what: 'shows a wrong certificate', ...unreachable, tls: true, ...listening((hub, part) => hub.breakTls(part)) },
  { what: 'speaks no TLS', ...unreachable, tls: true, ...listening((hub, part) => hub.breakTls(part, 'garbage')) },
  { what: 'closes connections', ...unreachable, ...answering({ refuse: true }) },
  { what: 'answers 500', status: 502, ...unavailable, ...answering({ status: 500 }) },
  { what: 'answers 502', status: 502, ...unavailable, ...answering({ status: 502 }) },
  { what: 'answers 503', status: 503, retryAfter: '7', ...unavailable, ...answering({ status: 503, retryAfterSeconds: 7 }) },
  { what: 'answers 504', status: 504, ...unavailable, ...answering({ status: 504 }) },
  { what: 'limits requests', ...limited, retryAfter: '60', pauseMs: 60_000, ...answering(abuse429) },
]

/** The pull limit is the registry's alone; so is what its 429 lacks. */
export const pullLimit: Trouble = {
  what: 'limits pulls',
  ...limited,
  pauseMs: 60_000,
  ...answering({ status: 429, headers: { 'RateLimit-Limit': '100;w=3600', 'RateLimit-Remaining': '0;w=3600' } }),
}

/** Of the token server alone: too many requests for tokens, and too many failed logins. */
export const tokenTroubles: readonly Trouble[] = [
  { what: 'limits token requests', ...limited, pauseMs: 5_000, ...answering(tokenBurst429) },
  {
    what: 'locks out',
    ...limited,
    pauseMs: 5_000,
    ...answering({
      status: 429,
      headers: { 'Content-Type': 'text/plain' },
      body: 'too many failed login attempts for username or IP address\n',
    }),
  },
]

// `redis` of the configuration → a client that has not connected yet: one server, a master that Sentinels name, or a Redis Cluster.
// The keys are those of distribution 2 and 3; which of them have no counterpart here is told by config/pending.ts.
import { readFileSync } from 'node:fs'
import { Cluster, Redis } from 'ioredis'

/** Spans in milliseconds. */
export interface RedisSettings {
  /** `host:port`, `host`, `[::1]:port`, or the path of a socket. With `mastername` these are Sentinels; several without it are a Cluster. */
  readonly addrs: readonly string[]
  readonly clientname?: string | undefined
  readonly db: number
  readonly protocol?: number | undefined
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly sentinelusername?: string | undefined
  readonly sentinelpassword?: string | undefined
  readonly minretrybackoff?: number | undefined
  readonly maxretrybackoff?: number | undefined
  readonly maxredirects?: number | undefined
  readonly dialtimeout?: number | undefined
  readonly readtimeout?: number | undefined
  readonly mastername?: string | undefined
  readonly tls?:
    | { readonly certificate?: string | undefined; readonly key?: string | undefined; readonly rootcas: readonly string[] }
    | undefined
}

export type RedisClient = Redis | Cluster

interface Address {
  readonly host: string
  readonly port: number
}

const usualPort = 6379
const usualSentinelPort = 26_379

/** Throws Errors that name the configuration key. */
export function createRedisClient(settings: RedisSettings): RedisClient {
  const { addrs, mastername, db } = settings
  const shared = sharedOptions(settings)
  const retry = retryStrategyOf(settings)
  if (mastername !== undefined) return new Redis(sentinelOptions(settings, mastername, shared))
  if (addrs.length > 1) {
    if (db !== 0) throw new Error('redis.db: a Redis Cluster has only database 0')
    return new Cluster(
      addrs.map((addr) => addressOf(addr, usualPort)),
      {
        lazyConnect: true,
        enableOfflineQueue: false,
        clusterRetryStrategy: retry,
        clusterNodeRetryStrategy: retry,
        maxRedirections: settings.maxredirects ?? 16,
        redisOptions: shared,
      },
    )
  }
  const [addr = ''] = addrs
  const target = addr.startsWith('/') ? { path: addr } : addressOf(addr, usualPort)
  return new Redis({ ...shared, ...target, db, lazyConnect: true, enableOfflineQueue: false, retryStrategy: retry })
}

function sentinelOptions(settings: RedisSettings, name: string, shared: ReturnType<typeof sharedOptions>) {
  const retry = retryStrategyOf(settings)
  return {
    ...shared,
    name,
    db: settings.db,
    sentinels: settings.addrs.map((addr) => addressOf(addr, usualSentinelPort)),
    ...given('sentinelUsername', settings.sentinelusername),
    ...given('sentinelPassword', settings.sentinelpassword),
    ...(shared.tls === undefined ? {} : { sentinelTLS: shared.tls, enableTLSForSentinelMode: true }),
    sentinelRetryStrategy: retry,
    sentinelReconnectStrategy: retry,
    sentinelCommandTimeout: 1_000,
    lazyConnect: true,
    enableOfflineQueue: false,
    retryStrategy: retry,
  }
}

function sharedOptions(settings: RedisSettings) {
  return {
    // RESP2 is enough here, and understood by every Redis; RESP3 needs Redis 6.
    protocol: settings.protocol === 3 ? (3 as const) : (2 as const),
    connectTimeout: positive(settings.dialtimeout) ?? 5_000,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // A master that was degraded to a replica: ask again who is master.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
    disableClientInfo: true,
    ...given('connectionName', settings.clientname),
    ...given('username', settings.username),
    ...given('password', settings.password),
    ...(settings.tls === undefined ? {} : { tls: tlsOptions(settings.tls) }),
  }
}

function tlsOptions({ certificate, key, rootcas }: NonNullable<RedisSettings['tls']>) {
  if ((certificate === undefined) !== (key === undefined)) throw new Error('redis.tls: certificate and key go together')
  return {
    ...(certificate === undefined ? {} : { cert: readPem('certificate', certificate) }),
    ...(key === undefined ? {} : { key: readPem('key', key) }),
    ...(rootcas.length === 0 ? {} : { ca: rootcas.map((file) => readPem('rootcas', file)) }),
  }
}

function readPem(key: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Error(`redis.tls.${key}: cannot read ${file}`, { cause: error })
  }
}

/** Never gives up: Redis comes back by itself. */
function retryStrategyOf({ minretrybackoff, maxretrybackoff }: RedisSettings): (times: number) => number {
  const least = positive(minretrybackoff) ?? 50
  const most = Math.max(least, positive(maxretrybackoff) ?? 1_000)
  return (times) => Math.min(most, least * 2 ** Math.min(times - 1, 20))
}

function addressOf(addr: string, usual: number): Address {
  const [matched, bracketed, host = bracketed, digits] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]/\s]*))(?::(\d{1,5}))?$/.exec(addr) ?? []
  const port = digits === undefined ? usual : Number(digits)
  if (matched === undefined || port > 65_535) throw new Error(`redis.addrs: ${addr} is not host:port`)
  return { host: host === undefined || host === '' ? '127.0.0.1' : host, port }
}

export function positive(value: number | undefined): number | undefined {
  return value !== undefined && value > 0 ? value : undefined
}

function given<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V })
}

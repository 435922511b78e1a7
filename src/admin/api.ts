// The shapes of what the admin API answers, for its routes, the commands and the dashboard. openapi.yaml says the same to others.
// Times are ISO 8601, sizes are bytes; `null` is "not known" or "none".

export interface Fill {
  readonly repository: string
  readonly digest: string
  /** That have come. */
  readonly bytes: number
  readonly size: number | null
  /** Clients that read from it right now. */
  readonly clients: number
  readonly startedAt: string
}

export interface Quota {
  readonly limit: number
  readonly remaining: number
  readonly windowSeconds: number | null
  /** When what was told last is forgotten, at the latest. */
  readonly resetsAt: string | null
  /** What the limit is counted for, in upstream's words. */
  readonly source: string | null
}

export interface Upstream {
  readonly name: string
  /** `null`: nobody, without an account. */
  readonly account: string | null
  /** `paused`: it asked to be left alone; `open`: it failed so often that it is left alone; `failing`: questions fail. */
  readonly state: 'up' | 'paused' | 'failing' | 'open'
  readonly failingSince: string | null
  /** Old answers that stood in since then. */
  readonly staleAnswers: number
  readonly quota: Quota | null
  readonly pausedUntil: string | null
  readonly circuits: readonly { readonly origin: string; readonly state: 'closed' | 'open' | 'half-open' }[]
}

export interface NextToGo {
  readonly image: string
  readonly bytes: number
  readonly usedAt: string
  readonly reason: string
}

export interface Space {
  readonly storedBytes: number
  readonly blobs: number
  /** proxy.maxsize. */
  readonly limitBytes: number | null
  /** Of fills that run. */
  readonly reservedBytes: number
  /** storage.minfree. */
  readonly minFreeBytes: number | null
  readonly diskFreeBytes: number | null
  readonly diskBytes: number | null
  /** What eviction would take first. */
  readonly next: readonly NextToGo[]
}

/** Since the start. */
export interface Traffic {
  readonly pulls: number
  readonly hits: number
  readonly stale: number
  readonly misses: number
  readonly servedBytes: number
  readonly fetchedBytes: number
}

export interface Incident {
  readonly level: 'warn' | 'error'
  readonly firstAt: string
  readonly lastAt: string
  readonly times: number
  /** The line of the log. */
  readonly message: string
  /** What it means, in plain words. */
  readonly meaning: string
  readonly advice: string | null
  /** What it was about: repository, digest, upstream, the text of the error. */
  readonly about: Readonly<Record<string, string>>
}

/** One of several machines that share a Redis, each of which shows itself. */
export interface Replica {
  readonly name: string
  /** `dashboard`: its address; null: it cannot be reached from elsewhere. */
  readonly others: readonly { readonly name: string; readonly dashboard: string | null }[]
}

export interface Status {
  readonly version: string
  readonly mode: 'mirror' | 'registry'
  /** Which one this is, and which others there are. */
  readonly replica: Replica
  readonly now: string
  readonly startedAt: string
  readonly health: 'well' | 'troubled' | 'failing' | 'stopping'
  readonly problems: readonly { readonly part: string; readonly text: string }[]
  readonly traffic: Traffic
  readonly fills: readonly Fill[]
  readonly upstreams: readonly Upstream[]
  readonly space: Space | null
  readonly incidents: readonly Incident[]
}

/** What happened within `seconds` before `at`. */
export interface Sample extends Traffic {
  readonly at: string
  readonly seconds: number
}

export interface Image {
  /** As the other calls and the commands take it. */
  readonly image: string
  readonly repository: string
  readonly tag: string | null
  readonly digest: string
  readonly bytes: number
  readonly usedAt: string
  /** `linux/amd64`. */
  readonly platforms: readonly string[]
  /** The patterns that keep it; none: it may go. */
  readonly pinnedBy: readonly string[]
  /** Pushed here, not cached. */
  readonly isOwn: boolean
}

export interface Images {
  readonly images: readonly Image[]
  /** Where the next page begins. */
  readonly nextOffset: number | null
}

export interface Platform {
  readonly platform: string
  readonly digest: string
  readonly isHere: boolean
  /** Of what is here. */
  readonly bytes: number | null
}

export interface ImageDetail extends Image {
  readonly mediaType: string
  readonly otherTags: readonly string[]
  readonly manifests: readonly Platform[]
  readonly layers: readonly { readonly digest: string; readonly size: number }[]
}

export interface PinOutcome {
  readonly pattern: string
  readonly pins: readonly string[]
  readonly changed: boolean
  /** Patterns of the configuration, which only the configuration can take away. */
  readonly configured: readonly string[]
}

export interface RefreshOutcome {
  readonly image: string
  readonly outcome: 'unchanged' | 'moved' | 'new' | 'absent'
  readonly before: string | null
  readonly now: string | null
}

export interface EvictOutcome {
  readonly image: string
  readonly freedBytes: number
  /** Tags that still need the content; then only the asked one went. */
  readonly keptFor: readonly string[]
}

export interface Failure {
  /** What went wrong, and what to do. */
  readonly error: string
}

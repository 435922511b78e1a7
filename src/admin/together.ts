// Several processes serve one address (`http.workers`): how things stand with each of them, as one. Pure.
import type { Fill, Incident, Status, Traffic, Upstream } from './api.ts'

/** What each process knows of itself. JSON. */
export type Standing = Pick<Status, 'health' | 'problems' | 'traffic' | 'fills' | 'upstreams' | 'incidents'>

const mostIncidents = 50
const healths = ['well', 'troubled', 'stopping', 'failing'] as const satisfies readonly Status['health'][]
const states = ['up', 'paused', 'failing', 'open'] as const satisfies readonly Upstream['state'][]

export function together(standings: readonly Standing[]): Standing {
  const [only] = standings
  if (only !== undefined && standings.length === 1) return only
  const problems = new Map(standings.flatMap(({ problems }) => problems).map((problem) => [`${problem.part} ${problem.text}`, problem]))
  return {
    health: worst(
      healths,
      standings.map(({ health }) => health),
    ),
    problems: [...problems.values()],
    traffic: sumOf(standings.map(({ traffic }) => traffic)),
    fills: merged(
      standings.flatMap(({ fills }) => fills),
      ({ digest }) => digest,
      oneFill,
    ),
    upstreams: merged(
      standings.flatMap(({ upstreams }) => upstreams),
      ({ name, account }) => `${name} ${account}`,
      oneUpstream,
    ),
    incidents: merged(
      standings.flatMap(({ incidents }) => incidents),
      incidentKey,
      oneIncident,
    )
      .sort((a, b) => b.lastAt.localeCompare(a.lastAt))
      .slice(0, mostIncidents),
  }
}

function merged<Item>(items: readonly Item[], keyOf: (item: Item) => string, merge: (a: Item, b: Item) => Item): Item[] {
  const found = new Map<string, Item>()
  for (const item of items) {
    const key = keyOf(item)
    const known = found.get(key)
    found.set(key, known === undefined ? item : merge(known, item))
  }
  return [...found.values()]
}

function worst<Name>(names: readonly Name[], found: readonly Name[]): Name {
  const at = Math.max(0, ...found.map((name) => names.indexOf(name)))
  return names[at] as Name
}

function sumOf(parts: readonly Traffic[]): Traffic {
  const sum = (read: (traffic: Traffic) => number) => parts.reduce((total, traffic) => total + read(traffic), 0)
  return {
    pulls: sum(({ pulls }) => pulls),
    hits: sum(({ hits }) => hits),
    stale: sum(({ stale }) => stale),
    misses: sum(({ misses }) => misses),
    servedBytes: sum(({ servedBytes }) => servedBytes),
    fetchedBytes: sum(({ fetchedBytes }) => fetchedBytes),
  }
}

/** One of them fetches it, and the others follow. */
function oneFill(a: Fill, b: Fill): Fill {
  return {
    ...a,
    bytes: Math.max(a.bytes, b.bytes),
    size: a.size ?? b.size,
    clients: a.clients + b.clients,
    startedAt: a.startedAt < b.startedAt ? a.startedAt : b.startedAt,
  }
}

function oneUpstream(a: Upstream, b: Upstream): Upstream {
  const tighter = a.quota === null || (b.quota !== null && b.quota.remaining < a.quota.remaining) ? b.quota : a.quota
  return {
    ...a,
    state: worst<Upstream['state']>(states, [a.state, b.state]),
    failingSince: earlier(a.failingSince, b.failingSince),
    staleAnswers: a.staleAnswers + b.staleAnswers,
    quota: tighter,
    pausedUntil:
      [a.pausedUntil, b.pausedUntil]
        .filter((time) => time !== null)
        .sort()
        .at(-1) ?? null,
    circuits: merged(
      [...a.circuits, ...b.circuits],
      ({ origin }) => origin,
      (known) => known,
    ),
  }
}

function earlier(a: string | null, b: string | null): string | null {
  return a === null || (b !== null && b < a) ? b : a
}

function incidentKey({ level, message, meaning, about }: Incident): string {
  return [level, message, meaning, about['upstream'], about['origin']].join('\0')
}

function oneIncident(a: Incident, b: Incident): Incident {
  const latest = a.lastAt < b.lastAt ? b : a
  return { ...latest, times: a.times + b.times, firstAt: a.firstAt < b.firstAt ? a.firstAt : b.firstAt }
}

// How things stand right now, put together from views; it asks nobody but memory.
import type { Fill, Incident, Status } from './api.ts'
import type { FillView, Views } from './views.ts'

export interface SnapshotFacts {
  readonly now: number
  readonly startedAt: number
  readonly incidents: readonly Incident[]
}

export async function snapshot(views: Views, { now, startedAt, incidents }: SnapshotFacts): Promise<Status> {
  const { health } = views
  const problems = [...health.failures(), ...health.troubles()].map(([part, text]) => ({ part, text }))
  return {
    version: views.version,
    mode: views.mode,
    now: timeOf(now),
    startedAt: timeOf(startedAt),
    health: health.isStopping ? 'stopping' : health.isFailing ? 'failing' : problems.length > 0 ? 'troubled' : 'well',
    problems,
    traffic: views.traffic(),
    fills: views.fills().map(fillOf),
    upstreams: views.upstreams(),
    space: (await views.space()) ?? null,
    incidents,
  }
}

export function fillOf({ repository, digest, bytes, size, readers, startedAt }: FillView): Fill {
  return { repository, digest, bytes, size: size ?? null, clients: readers, startedAt: timeOf(startedAt) }
}

export function timeOf(at: number): string {
  return new Date(at).toISOString()
}

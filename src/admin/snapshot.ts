// How things stand right now, put together from views; it asks nobody but memory.
import type { Fill, Incident, Status } from './api.ts'
import type { Standing } from './together.ts'
import type { FillView, Views } from './views.ts'

/** With this process alone. */
export function standingOf(views: Views, incidents: readonly Incident[]): Standing {
  const { health } = views
  const problems = [...health.failures(), ...health.troubles()].map(([part, text]) => ({ part, text }))
  return {
    health: health.isStopping ? 'stopping' : health.isFailing ? 'failing' : problems.length > 0 ? 'troubled' : 'well',
    problems,
    traffic: views.traffic(),
    fills: views.fills().map(fillOf),
    upstreams: views.upstreams(),
    incidents,
  }
}

/** `standing`: of all processes. */
export async function snapshot(
  views: Views,
  standing: Standing,
  { now, startedAt }: { readonly now: number; readonly startedAt: number },
): Promise<Status> {
  const { version, mode } = views
  const [replica, space = null] = await Promise.all([views.replica(), views.space()])
  return { version, mode, replica, now: timeOf(now), startedAt: timeOf(startedAt), space, ...standing }
}

function fillOf({ repository, digest, bytes, size, readers, startedAt }: FillView): Fill {
  return { repository, digest, bytes, size: size ?? null, clients: readers, startedAt: timeOf(startedAt) }
}

export function timeOf(at: number): string {
  return new Date(at).toISOString()
}

// `status`: how a running server stands, on one screen.
import type { Incident, Space, Status, Upstream } from '../admin/api.ts'
import { type AdminOptions, openAdmin } from './admin-client.ts'
import { sizeText, spanText, tableOf, whenText } from './table.ts'

const mostIncidents = 5

/** Throws ConfigError, AdminFailure. Resolves with the exit code: 1 when a health check fails. */
export async function status(options: AdminOptions): Promise<number> {
  const found = await (await openAdmin(options)).get<Status>('/status')
  process.stdout.write(options.json ? `${JSON.stringify(found)}\n` : textOf(found))
  return found.health === 'failing' ? 1 : 0
}

function textOf(status: Status): string {
  const now = Date.parse(status.now)
  const { traffic, problems } = status
  const up = spanText((now - Date.parse(status.startedAt)) / 1000)
  const parts = [
    `entrepot ${status.version}, ${status.mode}, ${status.health}, up ${up}, on ${status.replica.name}\n`,
    othersText(status),
    problems.map(({ part, text }) => `  ${part}: ${text}\n`).join(''),
    `pulls     ${traffic.pulls}, ${share(traffic.hits, traffic.pulls)} from here, ${traffic.stale} stale\n`,
    `bytes     ${sizeText(traffic.servedBytes)} served, ${sizeText(traffic.fetchedBytes)} fetched\n`,
    status.space === null ? '' : spaceText(status.space),
    upstreamsText(status.upstreams, now),
    fillsText(status, now),
    incidentsText(status.incidents, now),
  ]
  return parts.filter((part) => part !== '').join('')
}

function othersText({ replica: { others } }: Status): string {
  const texts = others.map(({ name, dashboard }) => (dashboard === null ? name : `${name} (${dashboard})`))
  return texts.length === 0 ? '' : `others    ${texts.join(', ')}\n`
}

function share(part: number, whole: number): string {
  return whole === 0 ? '-' : `${Math.floor((100 * part) / whole)} %`
}

function spaceText({ storedBytes, blobs, limitBytes, diskFreeBytes, next }: Space): string {
  const limit = limitBytes === null ? '' : ` of ${sizeText(limitBytes)}`
  const free = diskFreeBytes === null ? '' : `, ${sizeText(diskFreeBytes)} free on the disk`
  const first = next[0] === undefined ? '' : `\n          next to go: ${next[0].image}`
  return `stored    ${sizeText(storedBytes)}${limit} in ${blobs} blobs${free}${first}\n`
}

function upstreamsText(upstreams: readonly Upstream[], now: number): string {
  const rows = upstreams.map((each) => [each.name, each.account ?? '-', stateText(each, now), quotaText(each, now)])
  return rows.length === 0 ? '' : `\n${tableOf(['UPSTREAM', 'ACCOUNT', 'STATE', 'QUOTA'], rows)}`
}

function stateText({ state, failingSince, pausedUntil, staleAnswers }: Upstream, now: number): string {
  const since = failingSince === null ? '' : `, failing since ${whenText(failingSince, now)}, ${staleAnswers} stale answers`
  const until = pausedUntil === null ? '' : `, to be asked again ${whenText(pausedUntil, now)}`
  return `${state}${since}${until}`
}

function quotaText({ quota }: Upstream, now: number): string {
  if (quota === null) return '-'
  return `${quota.remaining} of ${quota.limit}${quota.resetsAt === null ? '' : `, anew ${whenText(quota.resetsAt, now)}`}`
}

function fillsText({ fills }: Status, now: number): string {
  if (fills.length === 0) return ''
  const rows = fills.map(({ repository, digest, bytes, size, clients, startedAt }) => [
    `${repository}@${digest.slice(0, 19)}`,
    size === null ? '-' : share(bytes, size),
    sizeText(bytes),
    String(clients),
    whenText(startedAt, now),
  ])
  return `\n${tableOf(['FETCHING', 'DONE', 'BYTES', 'CLIENTS', 'SINCE'], rows, [1, 2, 3])}`
}

function incidentsText(incidents: readonly Incident[], now: number): string {
  const lines = incidents.slice(0, mostIncidents).map(({ lastAt, times, meaning, advice, level }) => {
    const often = times === 1 ? '' : `, ${times} times`
    return `${level === 'error' ? 'ERROR' : 'warn '}  ${whenText(lastAt, now)}${often}: ${meaning}${advice === null ? '' : ` ${advice}`}\n`
  })
  return lines.length === 0 ? '' : `\n${lines.join('')}`
}

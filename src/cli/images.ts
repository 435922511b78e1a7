// `images`: what is here. `pin`, `unpin`, `refresh`, `evict IMAGE`: what can be done to one of them.
import type { EvictOutcome, Image, Images, PinOutcome, RefreshOutcome } from '../admin/api.ts'
import { systemClock } from '../lib/clock.ts'
import { type AdminOptions, openAdmin } from './admin-client.ts'
import { sizeText, tableOf, whenText } from './table.ts'

export interface ImagesOptions extends AdminOptions {
  readonly search: string
  readonly sort: string
  /** How many; a number in text. */
  readonly limit: string
}

const perPage = 200

/** Throws ConfigError, AdminFailure. Resolves with the exit code. */
export async function images(options: ImagesOptions): Promise<number> {
  const client = await openAdmin(options)
  const wanted = Math.max(1, Number.parseInt(options.limit, 10) || 1)
  const found: Image[] = []
  for (let offset: number | null = 0; offset !== null && found.length < wanted; ) {
    const limit = Math.min(perPage, wanted - found.length)
    const query = new URLSearchParams({ search: options.search, sort: options.sort, limit: String(limit), offset: String(offset) })
    const page: Images = await client.get<Images>(`/images?${query.toString()}`)
    found.push(...page.images)
    offset = page.nextOffset
  }
  process.stdout.write(options.json ? `${JSON.stringify(found)}\n` : tableText(found, systemClock.now()))
  return 0
}

function tableText(found: readonly Image[], now: number): string {
  const rows = found.map(({ image, platforms, bytes, usedAt, pinnedBy, isOwn }) => [
    image,
    platforms.join(' '),
    sizeText(bytes),
    whenText(usedAt, now),
    isOwn ? 'pushed' : pinnedBy.length > 0 ? `pinned by ${pinnedBy.join(' ')}` : '',
  ])
  return tableOf(['IMAGE', 'PLATFORMS', 'SIZE', 'LAST PULL', ''], rows, [2])
}

type Telling<Outcome> = (outcome: Outcome) => string

async function act<Outcome>(path: string, image: string, options: AdminOptions, tell: Telling<Outcome>): Promise<number> {
  const outcome = await (await openAdmin(options)).post<Outcome>(path, image)
  process.stdout.write(options.json ? `${JSON.stringify(outcome)}\n` : `${tell(outcome)}\n`)
  return 0
}

export function pin(image: string, options: AdminOptions): Promise<number> {
  return act<PinOutcome>('/pin', image, options, ({ pattern, changed }) => `${pattern} ${changed ? 'is pinned' : 'was pinned already'}`)
}

export function unpin(image: string, options: AdminOptions): Promise<number> {
  return act<PinOutcome>('/unpin', image, options, ({ pattern, changed, configured }) => {
    if (changed) return `${pattern} is not pinned any more`
    return `${pattern} was not pinned by a command${configured.length === 0 ? '' : `; proxy.pin pins ${configured.join(', ')}`}`
  })
}

export function refresh(image: string, options: AdminOptions): Promise<number> {
  return act<RefreshOutcome>('/refresh', image, options, ({ image: name, outcome, before, now }) => {
    if (outcome === 'absent') return `upstream has no ${name}; what is here stays`
    if (outcome === 'unchanged') return `${name} is up to date: ${now}`
    return outcome === 'new' ? `${name} is here now: ${now}` : `${name} has moved from ${before} to ${now}`
  })
}

export function evictImage(image: string, options: AdminOptions): Promise<number> {
  return act<EvictOutcome>('/evict', image, options, ({ image: name, freedBytes, keptFor }) => {
    if (keptFor.length > 0) return `${name} is gone; its content stays for ${keptFor.join(', ')}`
    return `${name} is gone, ${sizeText(freedBytes)} freed`
  })
}

// Clients that pull and push through the balancer whatever happens behind it, and note what they were promised and what they were given.
import { request } from 'node:http'
import { errorText } from '../../src/telemetry/log.ts'
import { digestOf, type Image, ociImage } from '../support/images.ts'
import { pushImage } from '../support/servers/push.ts'

/** How long a client waits for one pull or push; a replica that stands still answers nothing. */
const patienceMs = 20_000

export interface Pushed {
  readonly repository: string
  readonly tag: string
  readonly image: Image
}

export interface Tally {
  readonly pushes: Pushed[]
  /** Why, of each. */
  readonly failedPushes: string[]
  wholePulls: number
  brokenPulls: number
  refusedPulls: number
  /** Whole bodies that were not what was asked for. */
  readonly wrong: string[]
}

export const newTally = (): Tally => ({ pushes: [], failedPushes: [], wholePulls: 0, brokenPulls: 0, refusedPulls: 0, wrong: [] })

interface Got {
  readonly status: number
  /** `undefined`: it broke before the end, or nobody answered in time. */
  readonly body: Buffer | undefined
}

export function get(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Got> {
  return new Promise((resolve) => {
    let status = 0
    const broken = () => resolve({ status, body: undefined })
    const asked = request(url, { agent: false, headers, signal: AbortSignal.timeout(patienceMs) }, (response) => {
      status = response.statusCode ?? 0
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', broken)
      response.on('close', () => (response.complete ? resolve({ status, body: Buffer.concat(chunks) }) : broken()))
    })
    asked.on('error', broken)
    asked.end()
  })
}

export async function pullOnce(url: string, digest: string, tally: Tally): Promise<void> {
  const { status, body } = await get(url)
  if (body === undefined) tally.brokenPulls += 1
  else if (status !== 200) {
    tally.refusedPulls += 1
    // All that is asked for exists: whoever says otherwise lies.
    if (status === 404) tally.wrong.push(`${url}: 404 ${body.toString()}`)
  } else if (digestOf(body) === digest) tally.wholePulls += 1
  else tally.wrong.push(`${url}: ${body.length} bytes of ${digestOf(body)}`)
}

/** What is acknowledged is noted. */
export async function pushOnce(url: string, seed: string, tally: Tally): Promise<void> {
  const pushed = { repository: `local/app${seed.length % 3}`, tag: seed, image: ociImage({ seed, layers: 2, layerBytes: 200_000 }) }
  const patience = AbortSignal.timeout(patienceMs)
  const late = new Promise<never>((_, reject) => patience.addEventListener('abort', () => reject(patience.reason), { once: true }))
  try {
    await Promise.race([pushImage({ url }, pushed.repository, pushed.image, [pushed.tag]), late])
    tally.pushes.push(pushed)
  } catch (error) {
    tally.failedPushes.push(errorText(error))
  }
}

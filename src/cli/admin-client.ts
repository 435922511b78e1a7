// How commands talk to a running server: the admin API at the debug address of the configuration, or at --address.
import type { Failure } from '../admin/api.ts'
import { isEveryAddress, parseListenTarget } from '../config/listen-target.ts'
import { urlHost } from '../lib/url-host.ts'
import { errorText } from '../telemetry/log.ts'
import { readConfiguration } from './configuration.ts'

export interface AdminOptions {
  /** A configuration file. */
  readonly config?: string | undefined
  /** `http://127.0.0.1:5001`; user and password before the host are sent. */
  readonly address?: string | undefined
  readonly json: boolean
}

/** Its message is for people. */
export class AdminFailure extends Error {}

export interface AdminClient {
  get<Answer>(path: string): Promise<Answer>
  post<Answer>(path: string, image: string): Promise<Answer>
}

/** Throws ConfigError, AdminFailure. */
export async function openAdmin(options: AdminOptions): Promise<AdminClient> {
  const base = await addressOf(options)
  const { username, password } = base
  const headers: Record<string, string> = {}
  if (username !== '') {
    const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
    headers['Authorization'] = `Basic ${Buffer.from(pair).toString('base64')}`
  }
  const root = `${base.origin}${base.pathname.replace(/\/$/, '')}/admin/v1`
  return {
    get: (path) => ask(`${root}${path}`, { headers }),
    post: (path, image) =>
      ask(`${root}${path}`, {
        method: 'POST',
        headers: { ...headers, 'Content-Type': 'application/json' },
        body: JSON.stringify({ image }),
      }),
  }
}

async function addressOf({ address, config: file }: AdminOptions): Promise<URL> {
  if (address !== undefined) {
    const url = URL.parse(address.includes('://') ? address : `http://${address}`)
    if (url === null) throw new AdminFailure(`--address ${address}: not an address such as http://127.0.0.1:5001`)
    return url
  }
  const { config, file: read } = await readConfiguration({ file, strict: false })
  const { addr } = config.http.debug
  if (addr === undefined || addr === '') {
    throw new AdminFailure(`${read} has no http.debug.addr, so there is nobody to ask: set it (127.0.0.1:5001), or give --address`)
  }
  const target = parseListenTarget('tcp', addr)
  return new URL(`http://${'port' in target ? hostOf(target.host) : 'localhost'}:${'port' in target ? target.port : 80}`)
}

/** Where everything is listened to, this machine is a part of it. */
function hostOf(host: string | undefined): string {
  return host === undefined || isEveryAddress(host) ? '127.0.0.1' : urlHost(host)
}

async function ask<Answer>(url: string, init: RequestInit): Promise<Answer> {
  let answer: Response
  try {
    answer = await fetch(url, init)
  } catch (error) {
    throw new AdminFailure(`no entrepot answers at ${new URL(url).origin} (${errorText(error)}): does it run, with http.debug.addr set?`)
  }
  const text = await answer.text()
  if (answer.ok) return JSON.parse(text) as Answer
  if (answer.status === 401 || answer.status === 403) {
    throw new AdminFailure(
      `${new URL(url).origin} refuses: put the name and password of who may do everything there, https://user:password@host`,
    )
  }
  throw new AdminFailure(failureIn(text) ?? `${url} answered ${answer.status}: is that an entrepot of this version?`)
}

function failureIn(text: string): string | undefined {
  try {
    const { error } = JSON.parse(text) as Partial<Failure>
    return error
  } catch {
    // Somebody else's answer.
    return undefined
  }
}

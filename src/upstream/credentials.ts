// Where the user name and password for a registry come from: the configuration, or a program that speaks the protocol of Docker's
// credential helpers.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import { waitFor } from '../lib/abort.ts'
import { SingleFlight } from '../lib/single-flight.ts'
import type { Log } from '../telemetry/log.ts'
import { ShortMemory } from './short-memory.ts'

export interface Credentials {
  readonly username: string
  readonly password: string
}

export interface CredentialSource {
  /** For the server of this host name. `undefined`: go there anonymously. Rejects with the signal's reason only. */
  find(host: string, signal: AbortSignal): Promise<Credentials | undefined>
  /** The server refused what was found: do not hand out the same from memory. */
  forget(): void
}

export interface HelperOptions {
  /** Name or path of the program; it is run with the one argument `get`. */
  readonly command: string
  /** How long its answer holds; 0: it is asked every time; `undefined`: as long as the process lives. */
  readonly lifetimeMs?: number | undefined
}

const helperTimeoutMs = 15_000
const maxHelperOutputBytes = 64 * 1024
/** A helper that fails is not run again for every request. */
const failureHoldsMs = 10_000

/** Tells credentials apart in memory without keeping them in keys. */
export function identityOf(credentials: Credentials | undefined): string {
  if (credentials === undefined) return ''
  return createHash('sha256').update(`${credentials.username}\n${credentials.password}`).digest('base64url')
}

export function basicHeader(credentials: Credentials): string {
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`, 'utf8').toString('base64')}`
}

export function fixedCredentials(credentials: Credentials | undefined): CredentialSource {
  return { find: () => Promise.resolve(credentials), forget() {} }
}

export function helperCredentials(options: HelperOptions, clock: Clock, log: Log): CredentialSource {
  const remembered = new ShortMemory<{ readonly credentials: Credentials | undefined }>(clock)
  const running = new SingleFlight<string, Credentials | undefined>()
  const lifetimeMs = options.lifetimeMs ?? Number.POSITIVE_INFINITY

  async function ask(host: string): Promise<Credentials | undefined> {
    try {
      const credentials = parseHelperAnswer(await runHelper(options.command, host, clock))
      remembered.set(host, { credentials }, lifetimeMs)
      return credentials
    } catch (error) {
      log.error({ command: options.command, host, error }, 'the credential helper failed; going on without credentials')
      remembered.set(host, { credentials: undefined }, failureHoldsMs)
      return undefined
    }
  }

  return {
    find(host, signal) {
      const known = remembered.get(host)
      if (known !== undefined) return Promise.resolve(known.credentials)
      if (signal.aborted) return Promise.reject(signal.reason)
      return waitFor(
        running.run(host, () => ask(host)),
        signal,
      )
    },
    forget: () => remembered.clear(),
  }
}

/** `{"ServerURL":…,"Username":…,"Secret":…}`. Throws Error, with nothing of the text in it. */
export function parseHelperAnswer(text: string): Credentials {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Error('its answer is not JSON')
  }
  const { Username: username, Secret: password } = Object(value) as Record<string, unknown>
  if (typeof username !== 'string' || typeof password !== 'string' || username === '') {
    throw new Error('its answer has no Username and Secret')
  }
  // A helper's way to say that the secret is a refresh token, which this client has no use for.
  if (username === '<token>') throw new Error('it answered with an identity token, not with a password')
  return { username, password }
}

/** Runs `command get` with the host on its standard input. Resolves to its standard output. */
async function runHelper(command: string, host: string, clock: Clock): Promise<string> {
  const stop = new AbortController()
  const child = spawn(command, ['get'], { stdio: ['pipe', 'pipe', 'ignore'], signal: stop.signal, killSignal: 'SIGKILL' })
  // A helper that does not read its input closes the pipe early.
  child.stdin.on('error', () => {})
  child.stdin.end(host)
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', (error) => reject(new Error(`it can't be run: ${error.message}`)))
    child.once('close', resolve)
  })
  // Awaited below; without a handler now, an early failure would count as unhandled.
  ended.catch(() => {})
  const finished = new AbortController()
  clock.sleep(helperTimeoutMs, finished.signal).then(
    () => stop.abort(),
    () => {},
  )
  try {
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > maxHelperOutputBytes) throw new Error('its answer is too long')
      chunks.push(chunk)
    }
    const code = await ended
    if (code !== 0) throw new Error(`it ended with ${code ?? 'a signal'}`)
    return Buffer.concat(chunks).toString('utf8')
  } finally {
    finished.abort()
    stop.abort()
  }
}

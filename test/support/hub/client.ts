// A plain client for the stand-in Hub's own tests: no cache, no retries, no redirects, everything visible.
import { Agent, type Dispatcher } from 'undici'
import { acceptAll } from '../images.ts'
import type { Hub } from './hub.ts'

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  readonly json: () => unknown
}

export interface Question {
  readonly method?: Dispatcher.HttpMethod
  readonly headers?: Record<string, string>
  readonly body?: string
}

export class HubClient implements AsyncDisposable {
  readonly #hub: Hub
  readonly #agent: Agent

  constructor(hub: Hub, options: Agent.Options = {}) {
    this.#hub = hub
    this.#agent = new Agent(options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy()
  }

  /** The raw answer; the caller reads or drops its body. */
  async open(url: string, { method = 'GET', headers = {}, body }: Question = {}): Promise<Dispatcher.ResponseData> {
    const { origin, pathname, search } = new URL(url)
    return this.#agent.request({ origin, path: pathname + search, method, headers, ...(body === undefined ? {} : { body }) })
  }

  /** The whole answer of any URL. */
  async ask(url: string, question: Question = {}): Promise<Reply> {
    const answer = await this.open(url, question)
    const body = Buffer.from(await answer.body.arrayBuffer())
    const headers = Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name, String(value)]))
    return { status: answer.statusCode, headers, body, json: () => JSON.parse(body.toString('utf8')) as unknown }
  }

  /** The token server's answer. */
  async askToken(repository: string, credentials?: string, more = ''): Promise<Reply> {
    const basic: Record<string, string> =
      credentials === undefined ? {} : { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }
    const url = `${this.#hub.authUrl}/token?service=registry.docker.io&scope=${encodeURIComponent(`repository:${repository}:pull`)}${more}`
    return this.ask(url, { headers: basic })
  }

  /** A header with a fresh token for a repository. */
  async bearer(repository: string, credentials?: string): Promise<{ authorization: string; accept: string }> {
    const { token } = (await this.askToken(repository, credentials)).json() as { token: string }
    return { authorization: `Bearer ${token}`, accept: acceptAll }
  }

  /** A path of the registry, with a fresh token for the repository. */
  async pull(repository: string, path: string, question: Question = {}, credentials?: string): Promise<Reply> {
    const headers = { ...(await this.bearer(repository, credentials)), ...question.headers }
    return this.ask(`${this.#hub.url}/v2/${repository}/${path}`, { ...question, headers })
  }

  /** A fresh signed URL of a blob. */
  async signedUrl(repository: string, digest: string): Promise<string> {
    return (await this.pull(repository, `blobs/${digest}`)).headers['location'] ?? ''
  }

  /** A blob's bytes from a CDN, by a fresh signed URL. */
  async blob(repository: string, digest: string, question: Question = {}): Promise<Reply> {
    return this.ask(await this.signedUrl(repository, digest), question)
  }
}

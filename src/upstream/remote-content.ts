// A registry elsewhere, Docker Hub above all, as a source of content. The front door of this folder.
// It asks and verifies; it keeps no content, does not resume a broken transfer, and does not decide what an old answer is still good for.
import type {
  BlobDescription,
  BlobTransfer,
  Manifest,
  ManifestDescription,
  Referrers,
  Standing,
  TransferRange,
  TransferSource,
} from '../content.ts'
import type { SharedFacts } from '../cluster/shared-facts.ts'
import type { Clock } from '../lib/clock.ts'
import type { Digest } from '../oci/digest.ts'
import type { Reference, RepositoryName, Tag } from '../oci/names.ts'
import type { Page, PageOf } from '../oci/pagination.ts'
import type { UpstreamFacts } from '../telemetry/facts.ts'
import type { Log } from '../telemetry/log.ts'
import { Authorization } from './authorization.ts'
import { type BreakerState, Breakers } from './breaker.ts'
import { describeBlob, openBlob } from './blobs.ts'
import { Callers } from './callers.ts'
import { type CredentialSource, fixedCredentials, type HelperOptions, helperCredentials } from './credentials.ts'
import { listReferrers, listTags } from './lists.ts'
import { Manifests } from './manifests.ts'
import { QuotaState } from './quota.ts'
import type { RateLimit } from './rate-limits.ts'
import { shareNews } from './shared-news.ts'
import { Session, type Sign } from './session.ts'
import { Tokens } from './tokens.ts'
import { Transport } from './transport.ts'

export interface RemoteContentOptions {
  /** `https://registry-1.docker.io`; a path in it comes before /v2. */
  readonly url: string
  readonly username?: string | undefined
  readonly password?: string | undefined
  /** A Docker credential helper that knows user and password instead. */
  readonly exec?: HelperOptions | undefined
  /** Token servers outside of the registry's domain that may see the credentials: hosts, `host:port`, or URLs. */
  readonly trustedRealms: readonly string[]
  /** PEM text of certificates to trust besides the system's. */
  readonly ca?: string | undefined
  readonly insecure?: boolean | undefined
  readonly connectTimeoutMs?: number
  readonly headersTimeoutMs?: number
  readonly bodyIdleTimeoutMs?: number
  /** How long refused credentials are not tried again; 60,000. */
  readonly refusalMs?: number
  readonly userAgent: string
  /** Headers that each request to the registry itself gets besides. */
  readonly sign?: Sign | undefined
  readonly clock: Clock
  readonly log: Log
  /** Who is told of its exchanges; nobody when not given. */
  readonly facts?: UpstreamFacts | undefined
  /** What replicas tell each other; `undefined`: there are none. */
  readonly shared?: SharedFacts | undefined
}

export class RemoteContent implements TransferSource {
  /** What it lets others read than the account of this mirror. */
  readonly callers: Callers
  readonly #transport: Transport
  readonly #tokens: Tokens
  readonly #session: Session
  readonly #name: string
  readonly #manifests: Manifests
  readonly #quota: QuotaState
  readonly #breakers: Breakers
  readonly #news: Disposable | undefined

  /** Connects to nothing; the registry need not be there yet. Throws TypeError for a `url` that is none. */
  constructor(options: RemoteContentOptions) {
    const { clock, log, trustedRealms, refusalMs = 60_000, facts, shared } = options
    const registry = new URL(options.url)
    const credentials = credentialsOf(options)
    this.#name = registry.host
    this.#quota = new QuotaState(clock)
    this.#breakers = new Breakers(clock, log)
    const { host } = registry
    this.#news =
      shared === undefined ? undefined : shareNews(shared, { registry: host, username: options.username }, this.#quota, this.#breakers)
    const transport = new Transport({
      connectTimeoutMs: options.connectTimeoutMs ?? 5_000,
      headersTimeoutMs: options.headersTimeoutMs ?? 15_000,
      bodyIdleTimeoutMs: options.bodyIdleTimeoutMs ?? 30_000,
      userAgent: options.userAgent,
      ca: options.ca,
      insecure: options.insecure,
      breakers: this.#breakers,
      clock,
      facts,
    })
    const tokens = new Tokens({ registry, transport, credentials, trustedRealms, refusalMs, clock, log })
    const authorization = new Authorization({ registry, tokens, credentials, refusalMs, clock, log })
    this.callers = new Callers({ registry, transport, trustedRealms, clock, log })
    this.#transport = transport
    this.#tokens = tokens
    this.#session = new Session({ registry, transport, authorization, quota: this.#quota, clock, facts, sign: options.sign })
    this.#manifests = new Manifests(this.#session)
  }

  /** By HEAD, which costs no pull quota. Where that does not work, by GET: then it is a whole Manifest, with its bytes. */
  describeManifest(
    repository: RepositoryName,
    reference: Reference,
    signal: AbortSignal,
  ): Promise<ManifestDescription | Manifest | undefined> {
    return this.#manifests.describe(repository, reference, signal)
  }

  /** By GET; the bytes have the digest that was asked for. */
  findManifest(repository: RepositoryName, reference: Reference, signal: AbortSignal): Promise<Manifest | undefined> {
    return this.#manifests.find(repository, reference, signal)
  }

  describeBlob(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<BlobDescription | undefined> {
    return describeBlob(this.#session, repository, digest, signal)
  }

  /** The bytes are not verified. */
  openBlob(
    repository: RepositoryName,
    digest: Digest,
    range: TransferRange | undefined,
    signal: AbortSignal,
  ): Promise<BlobTransfer | undefined> {
    return openBlob(this.#session, { repository, digest, range }, signal)
  }

  listTags(repository: RepositoryName, page: Page, signal: AbortSignal): Promise<PageOf<Tag> | undefined> {
    return listTags(this.#session, repository, page, signal)
  }

  listReferrers(
    repository: RepositoryName,
    subject: Digest,
    artifactType: string | undefined,
    signal: AbortSignal,
  ): Promise<Referrers | undefined> {
    return listReferrers(this.#session, { repository, subject, artifactType }, signal)
  }

  standing(): Standing {
    return { name: this.#name, pausedUntil: this.#quota.pausedUntil, pullsLeft: this.#quota.rateLimit?.remaining }
  }

  /** The pull limit as upstream told it last; `undefined`: it never spoke of one. */
  rateLimit(): RateLimit | undefined {
    return this.#quota.rateLimit
  }

  /** Origins whose circuit is not closed. */
  openCircuits(): Iterable<readonly [origin: string, state: BreakerState]> {
    return this.#breakers.notClosed()
  }

  /** Ends all transfers and connections. */
  async close(): Promise<void> {
    this.#news?.[Symbol.dispose]()
    this.#tokens.close()
    await this.#transport.close()
  }
}

function credentialsOf(options: RemoteContentOptions): CredentialSource | undefined {
  const { username, password = '', exec } = options
  if (exec !== undefined) return helperCredentials(exec, options.clock, options.log)
  return username === undefined || username === '' ? undefined : fixedCredentials({ username, password })
}

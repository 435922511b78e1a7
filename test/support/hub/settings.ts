// Every switch of the stand-in Hub. They can be given to startHub and changed on `hub.settings` while it runs.
import type { HostNames, Part } from './parts.ts'

/** A pull limit. */
export interface Quota {
  /** GETs of manifests per window and source (account, or the client's address). */
  readonly limit: number
  /** Length of the window; Docker Hub's headers say 3600, its documentation 21600. */
  readonly windowSeconds: number
  /** The 429's words: as of 2025, or as before; 'new' unless told. */
  readonly message?: 'new' | 'old'
  /** Whether HEAD, too, gets 429 once the limit is reached; false unless told. HEAD is never counted. */
  readonly refusesHead?: boolean
}

export interface Settings {
  /** How the registry wants to be authenticated to: token server (Docker Hub), Basic of an account, or not at all. */
  auth: 'bearer' | 'basic' | 'none'

  /** Life of a token by the Hub's clock (see Hub.advance); 300. */
  tokenLifeSeconds: number
  /** Fields to leave out of the token answer; without `expires_in` clients must assume 60 seconds. */
  tokenOmits: readonly ('token' | 'access_token' | 'expires_in' | 'issued_at')[]
  /** Answer to `POST /token`: 'accept', or a status to refuse it with (405, 404). */
  tokenPost: 'accept' | number
  /** Failed logins of one user name before 429; 5. */
  lockOutAfter: number
  /** How long that lasts by the Hub's clock; 900. */
  lockOutSeconds: number
  /** The realm in the challenge; the token server's own URL unless set. Set it to test who is trusted with credentials. */
  realm: string | undefined
  /** Added to the Hub's clock in what it *says* (`Date`, `issued_at`), not in what it does; 0. */
  clockSkewSeconds: number

  /** Pull limit of anonymous clients; 100 per 3600 s. `undefined`: unlimited, no headers. */
  quota: Quota | undefined

  /** Accept on manifests: 'ignore' (Docker Hub in 2025), 'strict' (404 for an OCI type that Accept lacks, as in 2024). */
  accept: 'ignore' | 'strict'
  /** A manifest request without Accept, or with only `*` `/` `*`: served as any other, or as the old schema 1 type. */
  withoutAccept: 'serve' | 'schema1'
  /** Whether `If-None-Match` may get 304 (which counts as a pull); false. */
  notModified: boolean
  /** HEAD of a manifest gets this status instead (405, 401, 404); `undefined`: HEAD works. */
  headRefused: 401 | 404 | 405 | undefined

  /** Status of the redirect to a CDN, or 'none': the registry serves blobs itself. 307. */
  redirect: 301 | 302 | 307 | 'none'
  /** HEAD of a blob at the registry: 200 with size and digest, or the redirect. 200. */
  blobHead: 200 | 307
  /** Which CDN a redirect names; 'random' (seeded by `seed`). */
  cdn: 'random' | 'cdn-a' | 'cdn-b'
  /** How often one signed URL works; 1. */
  signatureUses: number
  /** How long it works, by the Hub's clock; 1200. */
  signatureLifeSeconds: number
  /** The CDN compresses whole answers for those who accept gzip; false. */
  cdnGzip: boolean

  /** Largest page of tags/list when `n` is given; 100. Without `n` all tags come at once. */
  tagsPageLimit: number
  /** Largest page of referrers; all come at once unless set. */
  referrersPageLimit: number
  /** Referrers API: an index, or 404. */
  referrers: 'index' | 'missing'

  /** Rate of the Hub's whole line, all answers together, in bytes per second (1 Gbit/s = 125e6); `undefined`: as fast as it goes. */
  bytesPerSecond: number | undefined
  /** How long idle connections are kept open; 60,000. */
  keepAliveTimeoutMs: number
}

export interface HubOptions extends Partial<Settings> {
  /** Everything random (CDN choice, signatures) follows from it; 1. */
  readonly seed?: number | string
  /** Serve by TLS, with a certificate by the test CA in `hub.caFile`; false. */
  readonly tls?: boolean
  /** Offer HTTP/2 beside HTTP/1.1 on registry and CDNs; implies `tls`. False. */
  readonly http2?: boolean
  /** Open a forward proxy at `hub.proxyUrl`, for absolute-form requests and CONNECT; false. */
  readonly forwardProxy?: boolean
  /** User and password that the proxy asks for by 407; none unless told. */
  readonly proxyCredentials?: { readonly user: string; readonly password: string }
  /**
   * Names to go by in challenges, redirects and certificates instead of the stand-in's. With names that do not end in `.hub.test` or
   * `.stranger.test` (for instance `dockerHubNames`) clients must come through the forward proxy, URLs carry no port,
   * and `hub.url` is `https://registry-1.docker.io`.
   */
  readonly proxyNames?: HostNames
  /** Other names for single parts, for instance `{ auth: 'auth.stranger.test' }`. */
  readonly names?: Partial<HostNames>
  /** Listen on ::1, at names below `.v6.hub.test`; false. */
  readonly ipv6?: boolean
  /** Fixed ports; free ones unless told. */
  readonly ports?: Partial<Readonly<Record<Part, number>>>
}

export function defaultSettings(): Settings {
  return {
    auth: 'bearer',
    tokenLifeSeconds: 300,
    tokenOmits: [],
    tokenPost: 'accept',
    lockOutAfter: 5,
    lockOutSeconds: 900,
    realm: undefined,
    clockSkewSeconds: 0,
    quota: { limit: 100, windowSeconds: 3600 },
    accept: 'ignore',
    withoutAccept: 'serve',
    notModified: false,
    headRefused: undefined,
    redirect: 307,
    blobHead: 200,
    cdn: 'random',
    signatureUses: 1,
    signatureLifeSeconds: 1200,
    cdnGzip: false,
    tagsPageLimit: 100,
    referrersPageLimit: Number.POSITIVE_INFINITY,
    referrers: 'index',
    bytesPerSecond: undefined,
    keepAliveTimeoutMs: 60_000,
  }
}

// What can be done with the objects of one bucket, by key. No folders, no moves: the driver makes these of it.
import type { CopyObjectCommandInput, PutObjectCommandInput } from '@aws-sdk/client-s3'
import { request } from 'undici'
import type { Clock } from '../../lib/clock.ts'
import type { ByteRange } from '../../oci/range.ts'
import { free } from './append.ts'
import { type S3Connection, type S3Options, statusOf, urlOf } from './s3-client.ts'
import { encodePath, type S3Keys, S3Signer } from './s3-signer.ts'

export interface StoredObject {
  readonly size: number
  /** Milliseconds since 1970, in whole seconds. */
  readonly modifiedAt: number
  /** Of what we asked to be remembered with it. */
  readonly changedAt: number | undefined
}

/** What an address that a client is sent to is good for, as in distribution. */
const redirectSeconds = 20 * 60
const attempts = 3
/** Keys that are about to expire are asked for again. */
const freshKeysMs = 5 * 60_000
const changedAtHeader = 'x-amz-meta-changed-at'

type Answer = Awaited<ReturnType<typeof request>>

export class Bucket {
  readonly connection: S3Connection
  readonly options: S3Options
  readonly #clock: Clock
  readonly #signer: S3Signer
  readonly #redirectBase: string
  readonly #redirectHost: string
  readonly #redirectPath: string
  #keys: (S3Keys & { readonly expiration?: Date }) | undefined

  constructor(connection: S3Connection, options: S3Options, clock: Clock) {
    this.connection = connection
    this.options = options
    this.#clock = clock
    this.#signer = new S3Signer(connection.region)
    const to =
      options.redirectEndpoint === undefined ? new URL(connection.origin) : new URL(urlOf(options.redirectEndpoint, options.secure))
    this.#redirectBase = to.origin
    this.#redirectHost = to.host
    this.#redirectPath = connection.basePath
  }

  /** How every object is to be kept. */
  get keeping(): Pick<PutObjectCommandInput & CopyObjectCommandInput, 'ACL' | 'ContentType' | 'StorageClass'> {
    const { encrypt, keyId, storageClass, objectAcl } = this.options
    return {
      ContentType: 'application/octet-stream',
      ACL: objectAcl as 'private',
      ...(storageClass === 'NONE' ? {} : { StorageClass: storageClass as 'STANDARD' }),
      ...(encrypt ? { ServerSideEncryption: keyId === undefined ? 'AES256' : 'aws:kms' } : {}),
      ...(encrypt && keyId !== undefined ? { SSEKMSKeyId: keyId } : {}),
    }
  }

  get name(): string {
    return this.options.bucket
  }

  /** Runs one command of the SDK. */
  send<T>(command: (sdk: S3Connection['sdk'], client: S3Connection['client']) => Promise<T>): Promise<T> {
    const { sdk, client, outage } = this.connection
    return outage.run(() => command(sdk, client))
  }

  async head(key: string): Promise<StoredObject | undefined> {
    const { headers, statusCode, body } = await this.#ask('HEAD', key)
    await body.dump()
    return statusCode === 404 ? undefined : objectOf(headers)
  }

  /** A small object, whole. */
  async read(key: string): Promise<Uint8Array | undefined> {
    return (await this.get(key, Number.POSITIVE_INFINITY))?.bytes
  }

  /** As `head`, with the bytes where there are no more of them than `atMost`. */
  async get(key: string, atMost: number): Promise<(StoredObject & { readonly bytes?: Uint8Array }) | undefined> {
    const { headers, statusCode, body } = await this.#ask('GET', key)
    if (statusCode === 404) {
      await body.dump()
      return undefined
    }
    const object = objectOf(headers)
    if (object.size > atMost) {
      leave(body)
      return object
    }
    try {
      return { ...object, bytes: await body.bytes() }
    } catch (error) {
      throw this.connection.outage.seen(error)
    }
  }

  /** Throws ENOENT. A body that breaks off is thrown, never a short end. */
  async *open(key: string, range: ByteRange | undefined, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    const headers = range === undefined ? {} : { range: `bytes=${range.start}-${range.end}` }
    const { statusCode, body, headers: got } = await this.#ask('GET', key, headers, signal)
    try {
      if (statusCode === 404 || statusCode === 416) await body.dump()
      if (statusCode === 404) throw absent(key)
      if (range !== undefined) await this.#checkRange(key, range, statusCode, String(got['content-range']))
      for await (const chunk of body) {
        signal.throwIfAborted()
        yield chunk as Uint8Array
        // Whoever asks for the next one is done with it.
        free(chunk as Uint8Array)
      }
    } catch (error) {
      throw signal.aborted ? signal.reason : this.connection.outage.seen(error)
    } finally {
      leave(body)
    }
  }

  async put(key: string, body: Uint8Array, changedAt?: number): Promise<void> {
    const metadata = changedAt === undefined ? {} : { Metadata: { 'changed-at': String(changedAt) } }
    await this.send((sdk, client) =>
      client.send(
        new sdk.PutObjectCommand({ Bucket: this.name, Key: key, Body: body, ContentLength: body.length, ...this.keeping, ...metadata }),
      ),
    )
  }

  async delete(key: string): Promise<void> {
    await this.send((sdk, client) => client.send(new sdk.DeleteObjectCommand({ Bucket: this.name, Key: key })))
  }

  /** Keys, and prefixes that end with a slash; with `isDeep`, keys only, also of what is further below. */
  async *list(prefix: string, isDeep: boolean, pageSize = 1000): AsyncGenerator<string, void, void> {
    let token: string | undefined
    do {
      const page = await this.send((sdk, client) =>
        client.send(
          new sdk.ListObjectsV2Command({
            Bucket: this.name,
            Prefix: prefix,
            MaxKeys: pageSize,
            ...(isDeep ? {} : { Delimiter: '/' }),
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
        ),
      )
      for (const { Key } of page.Contents ?? []) if (Key !== undefined) yield Key
      for (const { Prefix } of page.CommonPrefixes ?? []) if (Prefix !== undefined) yield Prefix
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined
    } while (token !== undefined)
  }

  async hasBelow(prefix: string): Promise<boolean> {
    const { done } = await this.list(prefix, true, 1).next()
    return done !== true
  }

  /** Where a client may read the object for a while. Needs to wait only for keys. */
  redirect(key: string, method: 'GET' | 'HEAD'): string | Promise<string> {
    const keys = this.#freshKeys()
    if (keys === undefined) return this.#loadKeys().then((loaded) => this.#redirect(key, method, loaded))
    return this.#redirect(key, method, keys)
  }

  #redirect(key: string, method: 'GET' | 'HEAD', keys: S3Keys): string {
    const path = this.#redirectPath + encodePath(key)
    const query = this.#signer.query({ method, host: this.#redirectHost, path }, keys, this.#clock.now(), redirectSeconds)
    return `${this.#redirectBase}${path}?${query}`
  }

  #freshKeys(): S3Keys | undefined {
    const expiresAt = this.#keys?.expiration?.getTime()
    return expiresAt === undefined || expiresAt - this.#clock.now() > freshKeysMs ? this.#keys : undefined
  }

  async #loadKeys(): Promise<S3Keys> {
    return (this.#keys = await this.connection.keys())
  }

  async #checkRange(key: string, range: ByteRange, status: number, contentRange: string): Promise<void> {
    const total = status === 416 ? (await this.head(key))?.size : Number(/\/(\d+)$/.exec(contentRange)?.[1])
    if (total === undefined) throw absent(key)
    if (status === 416 || total <= range.end) throw new Error(`${key} ends at byte ${total}, before the range does`)
    if (status !== 206) throw new Error(`the storage ignored the range of ${key}`)
  }

  #ask(method: 'GET' | 'HEAD', key: string, headers: Record<string, string> = {}, signal?: AbortSignal): Promise<Answer> {
    signal?.throwIfAborted()
    const { outage } = this.connection
    // Where it is known to have trouble, patience would only add up: a pull asks several times, and has upstream in reserve.
    const tries = outage.isTroubled ? 1 : attempts
    return outage.run(async () => {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await this.#askOnce(method, key, headers, signal)
        } catch (error) {
          if (signal?.aborted === true) throw signal.reason
          const status = statusOf(error)
          // Who waited so long in vain need not wait three times as long.
          const isSlow = error instanceof Error && error.name === 'HeadersTimeoutError'
          if (attempt >= tries || isSlow || (status !== undefined && status < 500 && status !== 429)) throw error
        }
        await this.#clock.sleep(50 * 4 ** attempt * (0.5 + Math.random()), signal)
      }
    })
  }

  async #askOnce(method: 'GET' | 'HEAD', key: string, headers: Record<string, string>, signal?: AbortSignal): Promise<Answer> {
    const { origin, basePath, dispatcher } = this.connection
    const path = basePath + encodePath(key)
    const keys = this.#freshKeys() ?? (await this.#loadKeys())
    const signed = this.#signer.headers({ method, host: new URL(origin).host, path }, keys, this.#clock.now())
    const answer = await request(origin + path, {
      method,
      headers: { ...signed, ...headers },
      dispatcher,
      ...(signal === undefined ? {} : { signal }),
    })
    if (answer.statusCode < 300 || answer.statusCode === 404 || answer.statusCode === 416) return answer
    const words = method === 'HEAD' ? '' : (await answer.body.text()).slice(0, 300)
    throw Object.assign(new Error(`${method} ${key} was answered ${answer.statusCode} ${words}`), { statusCode: answer.statusCode })
  }
}

function objectOf(headers: Answer['headers']): StoredObject {
  const changedAt = Number(headers[changedAtHeader] ?? Number.NaN)
  return {
    size: Number(headers['content-length'] ?? 0),
    modifiedAt: Date.parse(String(headers['last-modified'])),
    changedAt: Number.isFinite(changedAt) ? changedAt : undefined,
  }
}

/** Frees the connection also when the body was not read to its end, of which nobody needs to hear. */
function leave(body: Answer['body']): void {
  if (body.readableEnded) return
  body.once('error', () => undefined)
  body.destroy()
}

export function absent(key: string): Error {
  return Object.assign(new Error(`ENOENT: ${key}`), { code: 'ENOENT' })
}

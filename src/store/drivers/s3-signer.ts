// Signature Version 4 for what is asked of S3 often: reading objects, and addresses that let a client read one for a while.
// The SDK needs 650 µs for such an address; this needs a few, because all that depends on the day alone is computed once a day.
// Source: Amazon S3 API reference, "Authenticating Requests (AWS Signature Version 4)".
import { createHmac, createSecretKey, hash, type KeyObject } from 'node:crypto'

export interface S3Keys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
}

export interface S3Target {
  readonly method: 'GET' | 'HEAD'
  /** With its port, where that is not the scheme's own. */
  readonly host: string
  /** As it goes over the wire, percent-encoded by `encodePath`. */
  readonly path: string
}

const algorithm = 'AWS4-HMAC-SHA256'
let lastTime = { second: -1, text: '' }
const emptyHash = hash('sha256', '', 'hex')

export class S3Signer {
  readonly #region: string
  #day = ''
  #secret = ''
  // As a KeyObject: a signature with the bare bytes costs ten times as much.
  #dayKey: KeyObject | undefined

  constructor(region: string) {
    this.#region = region
  }

  /** Headers, by name, that make a request without a body the owner's. `now` in milliseconds since 1970. */
  headers({ method, host, path }: S3Target, keys: S3Keys, now: number): Record<string, string> {
    const time = timeOf(now)
    const token = keys.sessionToken
    const names = token === undefined ? 'host;x-amz-content-sha256;x-amz-date' : 'host;x-amz-content-sha256;x-amz-date;x-amz-security-token'
    const tokenLine = token === undefined ? '' : `x-amz-security-token:${token}\n`
    const signed = `host:${host}\nx-amz-content-sha256:${emptyHash}\nx-amz-date:${time}\n${tokenLine}`
    const signature = this.#sign(`${method}\n${path}\n\n${signed}\n${names}\n${emptyHash}`, keys, time)
    return {
      host,
      'x-amz-content-sha256': emptyHash,
      'x-amz-date': time,
      ...(token === undefined ? {} : { 'x-amz-security-token': token }),
      authorization: `${algorithm} Credential=${keys.accessKeyId}/${this.#scope(time)}, SignedHeaders=${names}, Signature=${signature}`,
    }
  }

  /** The query that lets whoever has it read the object for `seconds`. */
  query({ method, host, path }: S3Target, keys: S3Keys, now: number, seconds: number): string {
    const time = timeOf(now)
    const token = keys.sessionToken === undefined ? '' : `&X-Amz-Security-Token=${encode(keys.sessionToken)}`
    // In byte order of the names, as the canonical request wants them.
    const query =
      `X-Amz-Algorithm=${algorithm}&X-Amz-Credential=${encode(`${keys.accessKeyId}/${this.#scope(time)}`)}` +
      `&X-Amz-Date=${time}&X-Amz-Expires=${seconds}${token}&X-Amz-SignedHeaders=host`
    const signature = this.#sign(`${method}\n${path}\n${query}\nhost:${host}\n\nhost\nUNSIGNED-PAYLOAD`, keys, time)
    return `${query}&X-Amz-Signature=${signature}`
  }

  #scope(time: string): string {
    return `${time.slice(0, 8)}/${this.#region}/s3/aws4_request`
  }

  #sign(canonical: string, { secretAccessKey }: S3Keys, time: string): string {
    const day = time.slice(0, 8)
    let key = this.#dayKey
    if (key === undefined || day !== this.#day || secretAccessKey !== this.#secret) {
      const bytes = [day, this.#region, 's3', 'aws4_request'].reduce<string | Buffer>(
        (before, text) => createHmac('sha256', before).update(text).digest(),
        `AWS4${secretAccessKey}`,
      )
      key = createSecretKey(bytes as Buffer)
      this.#dayKey = key
      this.#day = day
      this.#secret = secretAccessKey
    }
    const text = `${algorithm}\n${time}\n${this.#scope(time)}\n${hash('sha256', canonical, 'hex')}`
    return createHmac('sha256', key).update(text).digest('hex')
  }
}

/** Each segment by RFC 3986; slashes stay. */
export function encodePath(path: string): string {
  return /^[\w./~-]*$/.test(path) ? path : path.split('/').map(encode).join('/')
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
}

/** `20260102T030405Z`, made once a second. */
function timeOf(now: number): string {
  const second = Math.floor(now / 1000)
  if (second === lastTime.second) return lastTime.text
  lastTime = { second, text: `${new Date(now).toISOString().slice(0, 19).replace(/[-:]/g, '')}Z` }
  return lastTime.text
}

// Addresses that let a client read one blob for a while (SAS). The SDK needs 270 µs for one; this needs a few.
// Source: Azure Storage REST API, "Create a service SAS", version 2020-12-06.
import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import { encodePath } from './s3-signer.ts'

const version = '2020-12-06'
/** As in distribution. */
const lifetimeMs = 20 * 60_000
/** Clocks differ a little. */
const earlierMs = 10_000

export class AzureSigner {
  readonly #containerUrl: string
  readonly #resource: string
  readonly #protocol: string
  readonly #key: KeyObject

  /** `key`: the account's, in base64. `containerUrl`: where the container is found. */
  constructor({ account, key, container, containerUrl }: { account: string; key: string; container: string; containerUrl: string }) {
    this.#containerUrl = containerUrl
    this.#resource = `/blob/${account}/${container}/`
    this.#protocol = containerUrl.startsWith('https:') ? 'https' : ''
    // As a KeyObject: a signature with the bare bytes costs ten times as much.
    this.#key = createSecretKey(Buffer.from(key, 'base64'))
  }

  /** `now` in milliseconds since 1970. */
  sign(blobName: string, now: number): string {
    const [start, end] = [timeOf(now - earlierMs), timeOf(now + lifetimeMs)]
    // Permission, times, resource, identifier, addresses, protocol, version, kind, then what is not used: snapshot, encryption, five headers.
    const text = `r\n${start}\n${end}\n${this.#resource}${blobName}\n\n\n${this.#protocol}\n${version}\nb\n\n\n\n\n\n\n`
    const signature = createHmac('sha256', this.#key).update(text).digest('base64')
    const protocol = this.#protocol === '' ? '' : `&spr=${this.#protocol}`
    const query = `sv=${version}${protocol}&st=${encodeURIComponent(start)}&se=${encodeURIComponent(end)}&sr=b&sp=r&sig=${encodeURIComponent(signature)}`
    return `${this.#containerUrl}/${encodePath(blobName)}?${query}`
  }
}

/** `2026-01-02T03:04:05Z` */
function timeOf(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`
}

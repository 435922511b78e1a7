// Chunks as they come → blocks behind the last byte of an append blob. Each block names the place that it belongs to, so that of two
// writers one is refused, and a block whose answer was lost is not appended twice.
import type { AppendBlobClient } from '@azure/storage-blob'
import { azureStatusOf } from './azure-client.ts'
import type { Outage } from './outage.ts'

/** "Append Block", REST API of Blob Storage: what every version of the service takes; as distribution. */
const mostBlockBytes = 4 * 1024 * 1024

export class BlockAppender {
  readonly #blob: AppendBlobClient
  readonly #outage: Outage
  #size: number
  #waiting: Uint8Array[] = []
  #waitingBytes = 0

  constructor(blob: AppendBlobClient, outage: Outage, size: number) {
    this.#blob = blob
    this.#outage = outage
    this.#size = size
  }

  /** Answers the blob's new size. As `StorageDriver.append`: what came before a failure is written before that is thrown. */
  async append(body: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<number> {
    try {
      for await (const chunk of body) {
        signal.throwIfAborted()
        await this.#add(chunk)
      }
    } catch (error) {
      // What failed first is what the caller must hear of.
      await this.#flush().catch(() => undefined)
      throw error
    }
    await this.#flush()
    return this.#size
  }

  async #add(chunk: Uint8Array): Promise<void> {
    for (let rest = chunk; rest.length > 0; ) {
      const part = rest.subarray(0, mostBlockBytes - this.#waitingBytes)
      this.#waiting.push(part)
      this.#waitingBytes += part.length
      rest = rest.subarray(part.length)
      if (this.#waitingBytes === mostBlockBytes) await this.#flush()
    }
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#waiting)
    this.#waiting = []
    this.#waitingBytes = 0
    if (bytes.length === 0) return
    const conditions = { appendPosition: this.#size }
    try {
      await this.#outage.run(() => this.#blob.appendBlock(bytes, bytes.length, { conditions }))
    } catch (error) {
      if (azureStatusOf(error) !== 412 || !(await this.#isThere(bytes.length))) throw error
    }
    this.#size += bytes.length
  }

  /** The SDK asks again where an answer is lost, and is refused where the block was taken. Uploads have one writer: it is ours. */
  async #isThere(bytes: number): Promise<boolean> {
    const { contentLength } = await this.#outage.run(() => this.#blob.getProperties())
    return contentLength === this.#size + bytes
  }
}

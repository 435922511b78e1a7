// The certificate that the server shows, from two files, which are read again when they change: renewed certificates come into use
// without a restart. It does not listen, and knows nothing of HTTP.
import { X509Certificate } from 'node:crypto'
import { statSync } from 'node:fs'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../telemetry/log.ts'
import { readPem } from './handshake.ts'

/** Looking is two system calls; watching a file does not survive the way in which Kubernetes swaps folders. */
const lookEveryMs = 5_000
const dayMs = 24 * 60 * 60 * 1000
const warnBeforeMs = 7 * dayMs

export interface CertificateFiles {
  readonly certificate: string
  readonly key: string
}

interface Parts {
  readonly log: Log
  readonly clock: Clock
}

export class Certificates implements AsyncDisposable {
  readonly #files: CertificateFiles
  readonly #parts: Parts
  readonly #stopped = new AbortController()
  #listener: ((context: SecureContextOptions) => void) | undefined
  #context: SecureContextOptions
  #version: string

  /** Throws an Error that names the configuration key when a file cannot be read or the two do not belong together. */
  static open(files: CertificateFiles, parts: Parts): Certificates {
    const certificates = new Certificates(files, parts)
    void certificates.#watch().catch(() => undefined)
    return certificates
  }

  private constructor(files: CertificateFiles, parts: Parts) {
    this.#files = files
    this.#parts = parts
    this.#version = versionOf(files)
    this.#context = load(files)
    this.#warnOfEnd()
  }

  get context(): SecureContextOptions {
    return this.#context
  }

  /** Calls with each certificate that comes into use from now on. */
  onRenewal(listener: (context: SecureContextOptions) => void): void {
    this.#listener = listener
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort(new Error('stopped'))
  }

  async #watch(): Promise<void> {
    for (;;) {
      await this.#parts.clock.sleep(lookEveryMs, this.#stopped.signal)
      this.#look()
    }
  }

  #look(): void {
    const version = versionOf(this.#files)
    if (version === this.#version) return
    this.#version = version
    try {
      this.#context = load(this.#files)
    } catch (error) {
      // Perhaps only one of the two is there yet: its successor will be looked at as well.
      this.#parts.log.error({ error }, 'the new certificate cannot be used; the old one stays')
      return
    }
    this.#listener?.(this.#context)
    this.#parts.log.info({ certificate: this.#files.certificate }, 'a new certificate is in use')
    this.#warnOfEnd()
  }

  #warnOfEnd(): void {
    const { validTo } = new X509Certificate(String(this.#context.cert))
    const left = Date.parse(validTo) - this.#parts.clock.now()
    if (left < warnBeforeMs) {
      const message = left < 0 ? 'the certificate has expired: clients will refuse it' : 'the certificate expires soon'
      this.#parts.log.warn({ certificate: this.#files.certificate, validTo }, message)
    }
  }
}

function load(files: CertificateFiles): SecureContextOptions {
  const context = { cert: readPem('http.tls.certificate', files.certificate), key: readPem('http.tls.key', files.key) }
  try {
    createSecureContext(context)
  } catch (error) {
    throw new Error(`http.tls: ${files.certificate} and ${files.key} are no certificate with its key`, { cause: error })
  }
  return context
}

/** Differs when either file was written or replaced. */
function versionOf({ certificate, key }: CertificateFiles): string {
  return [certificate, key]
    .map((file) => {
      const stat = statSync(file, { bigint: true, throwIfNoEntry: false })
      return stat === undefined ? 'none' : `${stat.ino}:${stat.mtimeNs}:${stat.size}`
    })
    .join(' ')
}

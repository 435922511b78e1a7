// The folder that `http.tls.letsencrypt.cachefile` names (distribution's word; it is a folder): the account's key, certificates and
// running challenges, under the names that Go's autocert gives them, so that a folder of distribution's goes on being used.
import { randomUUID } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'

export const accountFile = 'acme_account+key'

/** Key and chain of a host, each in PEM. */
export interface KeyAndCertificate {
  readonly key: string
  readonly cert: string
}

export class KeptFiles {
  readonly #folder: string | undefined
  readonly #inMemory = new Map<string, string>()

  /** Without a folder it keeps for the life of the process. */
  constructor(folder: string | undefined) {
    this.#folder = folder
  }

  async find(name: string): Promise<string | undefined> {
    if (this.#folder === undefined) return this.#inMemory.get(name)
    try {
      return await readFile(join(this.#folder, name), 'utf8')
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw new Error(`http.tls.letsencrypt.cachefile: cannot read ${name} in ${this.#folder}`, { cause: error })
    }
  }

  /** Whole or not at all, for its owner only, and there after a crash. */
  async put(name: string, text: string): Promise<void> {
    if (this.#folder === undefined) {
      this.#inMemory.set(name, text)
      return
    }
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const temporary = join(this.#folder, `.${name}.${randomUUID()}`)
    try {
      {
        await using file = await open(temporary, 'wx', 0o600)
        await file.writeFile(text)
        await file.sync()
      }
      await rename(temporary, join(this.#folder, name))
    } finally {
      await rm(temporary, { force: true })
    }
  }

  async remove(name: string): Promise<void> {
    if (this.#folder === undefined) this.#inMemory.delete(name)
    else await rm(join(this.#folder, name), { force: true })
  }

  /** `undefined`: there is none, or it is no key with a certificate. */
  async findPair(name: string): Promise<KeyAndCertificate | undefined> {
    const text = await this.find(name)
    const key =
      text === undefined ? undefined : /-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*?-----END [A-Z ]*PRIVATE KEY-----\n?/.exec(text)?.[0]
    const at = text?.indexOf('-----BEGIN CERTIFICATE-----') ?? -1
    return text === undefined || key === undefined || at < 0 ? undefined : { key, cert: text.slice(at) }
  }

  putPair(name: string, { key, cert }: KeyAndCertificate): Promise<void> {
    return this.put(name, `${key.trim()}\n${cert.trim()}\n`)
  }
}

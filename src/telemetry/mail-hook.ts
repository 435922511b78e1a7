// `log.hooks` of type mail, as in distribution: lines of some levels are mailed. Nothing waits for the mail, and a storm of lines
// becomes one mail a minute, not one for each line.
import { hostname } from 'node:os'
import type { Transporter } from 'nodemailer'
import type { Clock } from '../lib/clock.ts'

const betweenMailsMs = 60_000
const mostLines = 100
const timeoutMs = 10_000

export interface MailHookOptions {
  /** distribution's words; `panic` and `fatal`: what ends the process. */
  readonly levels: readonly string[]
  readonly smtp: {
    /** `mail.example.com:25`. */
    readonly addr: string
    readonly username?: string | undefined
    readonly password?: string | undefined
    /** Any certificate of the mail server will do. */
    readonly insecure: boolean
  }
  readonly from: string
  readonly to: readonly string[]
  readonly clock: Clock
  /** Told why a mail could not be sent. */
  readonly onFailure: (error: unknown) => void
}

export interface LogLine {
  readonly level: string
  readonly message: string
  /** The whole line, as it is written. */
  readonly text: string
}

const namesOf: Readonly<Record<string, string>> = { warning: 'warn', panic: 'fatal' }

export class MailHook {
  readonly #options: MailHookOptions
  readonly #levels: ReadonlySet<string>
  #lines: LogLine[] = []
  #left = 0
  #isSending = false
  #current: Promise<void> | undefined
  #sentAt = Number.NEGATIVE_INFINITY
  #transport: Transporter | undefined

  constructor(options: MailHookOptions) {
    this.#options = options
    this.#levels = new Set(options.levels.map((level) => namesOf[level.toLowerCase()] ?? level.toLowerCase()))
  }

  /** Never throws and waits for nothing. */
  add(line: LogLine): void {
    if (!this.#levels.has(line.level)) return
    if (this.#lines.length < mostLines) this.#lines.push(line)
    else this.#left += 1
    if (!this.#isSending) void this.#sendInTurn()
  }

  /** What has gathered goes out at once. For the end of the process; takes as long as a mail may take. */
  async flush(): Promise<void> {
    await this.#current
    while (this.#lines.length > 0) await this.#send()
  }

  async #sendInTurn(): Promise<void> {
    const { clock } = this.#options
    this.#isSending = true
    while (this.#lines.length > 0) {
      const wait = this.#sentAt + betweenMailsMs - clock.now()
      if (wait > 0) await clock.sleep(wait)
      await this.#send()
    }
    this.#isSending = false
  }

  #send(): Promise<void> {
    this.#current = this.#sendNow()
    return this.#current
  }

  async #sendNow(): Promise<void> {
    const { from, to, clock, onFailure } = this.#options
    const lines = this.#lines
    const [first] = lines
    if (first === undefined) return
    const more = this.#left > 0 ? `\n… and ${this.#left} more lines\n` : ''
    this.#lines = []
    this.#left = 0
    this.#sentAt = clock.now()
    try {
      this.#transport ??= await this.#open()
      const subject = `[${first.level}] ${hostname()}: ${first.message.replace(/[\x00-\x1f\x7f]+/g, ' ').slice(0, 200)}`
      await this.#transport.sendMail({ from, to: [...to], subject, text: `${lines.map(({ text }) => text).join('\n')}\n${more}` })
    } catch (error) {
      onFailure(error)
    }
  }

  async #open(): Promise<Transporter> {
    const { addr, username, password = '', insecure } = this.#options.smtp
    const colon = addr.lastIndexOf(':')
    const { createTransport } = await import('nodemailer')
    return createTransport({
      host: addr.slice(0, colon).replace(/^\[(.*)\]$/, '$1'),
      port: Number(addr.slice(colon + 1)),
      secure: addr.endsWith(':465'),
      ...(username === undefined || username === '' ? {} : { auth: { user: username, pass: password } }),
      tls: { rejectUnauthorized: !insecure },
      connectionTimeout: timeoutMs,
      greetingTimeout: timeoutMs,
      socketTimeout: timeoutMs,
    })
  }
}

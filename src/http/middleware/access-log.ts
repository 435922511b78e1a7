// One line per request in Apache's combined format, as distribution writes it. Lines are gathered and written together: a system
// call per request would be a good part of what a hot answer costs, and strings that live until they are written would be another:
// the garbage collector moves them about.
import type { Clock } from '../../lib/clock.ts'
import { redactTarget } from '../../telemetry/redact.ts'
import type { Exchange } from '../exchange.ts'

const flushEveryMs = 100
const bufferBytes = 64 * 1024
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

export class AccessLog implements AsyncDisposable {
  readonly #destination: { write(text: string): unknown }
  readonly #clock: Clock
  readonly #buffer = Buffer.allocUnsafeSlow(bufferBytes)
  #length = 0
  #scheduled = false
  #second = -1
  #time = ''

  constructor(destination: { write(text: string): unknown }, clock: Clock) {
    this.#destination = destination
    this.#clock = clock
  }

  readonly add = (exchange: Exchange): void => {
    const { req, res } = exchange
    const user = quotable(req.headers['user-agent'] ?? '')
    const referrer = quotable(req.headers['referer'] ?? '')
    const { url = '' } = req
    const target = quotable(exchange.query === '' ? url : redactTarget(url))
    const request = `${req.method} ${target} HTTP/${req.httpVersion}`
    this.#append(
      `${exchange.clientAddress} - ${userOf(exchange)} [${this.#timeOf(exchange.startedAt)}] "${request}" ${res.statusCode} ${exchange.bodyBytes} "${referrer}" "${user}"\n`,
    )
    if (!this.#scheduled) this.#schedule()
  }

  flush(): void {
    const lines = this.#buffer.toString('latin1', 0, this.#length)
    this.#length = 0
    if (lines !== '') this.#destination.write(lines)
  }

  /** A line is plain ASCII: what is not is escaped in it. */
  #append(line: string): void {
    if (this.#length + line.length > bufferBytes) this.flush()
    if (line.length > bufferBytes) this.#destination.write(line)
    else this.#length += this.#buffer.write(line, this.#length, 'latin1')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.flush()
  }

  #schedule(): void {
    this.#scheduled = true
    void this.#clock.sleep(flushEveryMs).then(() => {
      this.#scheduled = false
      this.flush()
    })
  }

  /** `21/Nov/2026:03:00:00 +0000`, made once per second. */
  #timeOf(at: number): string {
    const second = Math.floor(at / 1000)
    if (second === this.#second) return this.#time
    const date = new Date(at)
    const two = (value: number) => String(value).padStart(2, '0')
    const day = `${two(date.getUTCDate())}/${months[date.getUTCMonth()] ?? ''}/${date.getUTCFullYear()}`
    this.#second = second
    this.#time = `${day}:${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} +0000`
    return this.#time
  }
}

/** Stands between blanks, so it has none. */
function userOf({ user }: Exchange): string {
  return user === undefined || user === '' ? '-' : quotable(user).replaceAll(' ', '\\x20')
}

/** So that no client can end the quotes or the line. */
function quotable(text: string): string {
  if (!/["\\\x00-\x1f\x7f-\uffff]/.test(text)) return text
  return text
    .replace(/["\\]/g, '\\$&')
    .replace(/[\x00-\x1f\x7f-\uffff]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

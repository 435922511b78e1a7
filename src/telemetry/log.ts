// The application's log: pino on stderr, in the forms that distribution knows. The access log is http/middleware/access-log.ts.
import { pino, stdTimeFunctions, type DestinationStream } from 'pino'

/** What parts of the program may do with the log. Fields come first, then the sentence. */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface LogOptions {
  readonly level: 'error' | 'warn' | 'info' | 'debug'
  readonly formatter: 'text' | 'json' | 'logstash'
  /** Constant fields of every line. */
  readonly fields: Readonly<Record<string, unknown>>
  /** Where lines go; stderr when not given. */
  readonly destination?: { write(line: string): unknown }
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} }

export function createLog(options: LogOptions): Log {
  const destination = options.destination ?? process.stderr
  const target: DestinationStream =
    options.formatter === 'text' ? { write: (line) => destination.write(textOf(line)) } : { write: (line) => destination.write(line) }
  return pino(
    {
      level: options.level,
      base: { ...options.fields },
      messageKey: options.formatter === 'logstash' ? 'message' : 'msg',
      errorKey: 'error',
      timestamp:
        options.formatter === 'logstash' ? () => `,"@version":"1","@timestamp":"${new Date().toISOString()}"` : stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: errorText },
    },
    target,
  )
}

/** One line for an error and its causes: what was attempted, and what came of it. */
export function errorText(error: unknown): string {
  const parts: string[] = []
  for (let current = error; current !== undefined && current !== null && parts.length < 5; ) {
    parts.push(current instanceof Error ? current.message || current.name : JSON.stringify(current))
    current = current instanceof Error ? current.cause : undefined
  }
  return parts.filter((part, index) => part !== parts[index - 1]).join(': ')
}

/** `time=… level=info msg="…" key=value`, as logrus writes it for distribution. Values are quoted, so a line can't be forged. */
function textOf(line: string): string {
  const { time, level, msg, ...fields } = JSON.parse(line) as Record<string, unknown>
  const parts = [`time=${quoted(time)}`, `level=${quoted(level)}`, `msg=${quoted(msg)}`]
  for (const [name, value] of Object.entries(fields)) parts.push(`${name}=${quoted(value)}`)
  return `${parts.join(' ')}\n`
}

function quoted(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
  return /^[\w.:/@+-]+$/.test(text) ? text : JSON.stringify(text)
}

// The application's log: pino on stderr, in the forms that distribution knows. The access log is http/middleware/access-log.ts.
import { pino, stdTimeFunctions, type DestinationStream } from 'pino'
import type { MailHook } from './mail-hook.ts'
import { redactLine } from './redact.ts'

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
  /** Who is sent lines of some levels besides. */
  readonly hooks?: readonly MailHook[]
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} }

/** The log, and what only the program's end needs of it. */
export interface ApplicationLog extends Log {
  /** For what ends the process. */
  fatal(fields: object, message: string): void
}

export function createLog(options: LogOptions): ApplicationLog {
  const destination = options.destination ?? process.stderr
  const { formatter, hooks = [] } = options
  const target: DestinationStream = {
    write(line) {
      const redacted = redactLine(line)
      const text = formatter === 'text' ? textOf(redacted) : redacted
      destination.write(text)
      if (hooks.length > 0) callHooks(hooks, redacted, text)
    },
  }
  return pino(
    {
      level: options.level,
      base: { ...options.fields },
      messageKey: messageKeyOf(formatter),
      errorKey: 'error',
      timestamp: formatter === 'logstash' ? () => `,"@version":"1","@timestamp":"${new Date().toISOString()}"` : stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: errorText },
    },
    target,
  )
}

function messageKeyOf(formatter: LogOptions['formatter']): 'message' | 'msg' {
  return formatter === 'logstash' ? 'message' : 'msg'
}

function callHooks(hooks: readonly MailHook[], line: string, text: string): void {
  const { level, msg, message, hook } = JSON.parse(line) as Record<string, unknown>
  // What a hook itself has to say must not come back to it.
  if (hook !== undefined) return
  for (const each of hooks) each.add({ level: String(level), message: String(msg ?? message), text: text.trimEnd() })
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
  if (/^[\w.:/@+-]+$/.test(text)) return text
  // JSON leaves in place what a terminal would obey or a line reader would break at.
  return JSON.stringify(text).replace(/[\x7f-\x9f\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

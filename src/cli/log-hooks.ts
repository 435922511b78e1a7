// `log.hooks` of the configuration → hooks that mail.
import type { Config } from '../config/load.ts'
import { systemClock } from '../lib/clock.ts'
import { type ApplicationLog, errorText } from '../telemetry/log.ts'
import { MailHook } from '../telemetry/mail-hook.ts'

/** What is wrong with a hook is said on stderr: the log that it belongs to is not there yet. */
export function openLogHooks({ log }: Config): MailHook[] {
  return log.hooks.flatMap(({ disabled, type, levels, options }, at) => {
    if (disabled) return []
    const { smtp, from, to = [] } = options ?? {}
    if (type !== 'mail' || smtp?.addr === undefined || from === undefined || to.length === 0) {
      complain(`log.hooks[${at}] has no effect: it needs type mail, options.smtp.addr, options.from and options.to`)
      return []
    }
    const { addr, username, password, insecure } = smtp
    const onFailure = (error: unknown) => complain(`a mail about the log could not be sent by ${addr}: ${errorText(error)}`)
    return [new MailHook({ levels, smtp: { addr, username, password, insecure }, from, to, clock: systemClock, onFailure })]
  })
}

function complain(text: string): void {
  process.stderr.write(`${text}\n`)
}

const flushMs = 5_000

/** What waits goes out now, as far as that is quick: for the end of the process. */
export async function flushLogHooks(hooks: readonly MailHook[]): Promise<void> {
  if (hooks.length === 0) return
  await Promise.race([Promise.all(hooks.map((hook) => hook.flush())), systemClock.sleep(flushMs)])
}

/** An exception that nobody caught ends the process as ever, but its mail goes out first. */
export function mailBeforeDying(hooks: readonly MailHook[], log: ApplicationLog): void {
  if (hooks.length === 0) return
  process.once('uncaughtException', (error) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    log.fatal({ error }, 'an error that nobody expected ends the process')
    void flushAndExit(hooks)
  })
}

async function flushAndExit(hooks: readonly MailHook[]): Promise<never> {
  await flushLogHooks(hooks)
  process.exit(1)
}

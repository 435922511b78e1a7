// `serve`: runs until SIGTERM or SIGINT, then drains and ends with exit code 0.
import { formatProblem } from '../config/load.ts'
import { compose, type Running } from '../compose.ts'
import { systemClock } from '../lib/clock.ts'
import { createLog, errorText, type Log } from '../telemetry/log.ts'
import { readConfiguration } from './configuration.ts'
import { greeting } from './greeting.ts'
import { keepHeapSmall } from './heap.ts'
import { type CommandOptions, version } from './version.ts'

/** Throws ConfigError. Resolves with the exit code. */
export async function serve(options: CommandOptions): Promise<number> {
  const { config, warnings } = await readConfiguration(options)
  const log = createLog({ level: config.log.level, formatter: config.log.formatter, fields: config.log.fields })
  for (const warning of warnings) log.warn({}, formatProblem(warning))
  // Listened for from here on: a signal during the start stops the server as soon as it runs.
  const stopping = stopSignal()
  let running: Running
  try {
    running = await compose(config, { log, clock: systemClock, userAgent: `entrepot/${version()}` })
  } catch (error) {
    process.stderr.write(`entrepot cannot start: ${errorText(error)}\n`)
    return 1
  }
  keepHeapSmall()
  process.stdout.write(greeting(config, running.server.address))
  const signal = await stopping
  log.info({ signal, draintimeoutMs: config.http.draintimeout }, 'stopping: requests in progress may finish')
  await stop(running, config.http.draintimeout, log)
  return 0
}

/** The first signal asks for a drained stop; a second one ends the process as if nobody listened. */
function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const signals: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT']
    const onSignal = (signal: NodeJS.Signals) => {
      for (const each of signals) process.off(each, onSignal)
      resolve(signal)
    }
    for (const each of signals) process.on(each, onSignal)
  })
}

async function stop(running: Running, drainMs: number, log: Log): Promise<void> {
  try {
    await running.close(drainMs)
    log.info({}, 'stopped')
  } catch (error) {
    log.error({ error }, 'stopping went wrong')
  }
}

// `serve`: runs until SIGTERM or SIGINT, then drains and ends with exit code 0.
import cluster from 'node:cluster'
import { linkTo } from '../cluster/worker-link.ts'
import { formatProblem } from '../config/load.ts'
import { compose, type Running } from '../compose.ts'
import { systemClock } from '../lib/clock.ts'
import { createLog, errorText, type Log } from '../telemetry/log.ts'
import { readConfiguration } from './configuration.ts'
import { greeting } from './greeting.ts'
import { keepHeapSmall } from './heap.ts'
import { flushLogHooks, mailBeforeDying, openLogHooks } from './log-hooks.ts'
import { type CommandOptions, version } from './version.ts'
import { serveByWorkers, stopMessage, workerCount } from './workers.ts'

/** Throws ConfigError. Resolves with the exit code. */
export async function serve(options: CommandOptions): Promise<number> {
  const { config, warnings } = await readConfiguration(options)
  const hooks = openLogHooks(config)
  const log = createLog({ level: config.log.level, formatter: config.log.formatter, fields: config.log.fields, hooks })
  mailBeforeDying(hooks, log)
  if (!cluster.isWorker) for (const warning of warnings) log.warn({}, formatProblem(warning))
  // Listened for from here on: a signal during the start stops the server as soon as it runs.
  const link = cluster.isWorker ? linkTo(process) : undefined
  const stopping = link === undefined ? stopSignal() : stopOfPrimary()
  let running: Running
  try {
    if (link === undefined && workerCount(config) > 1) return await serveByWorkers({ config, log, stopping })
    running = await compose(config, { log, clock: systemClock, userAgent: `entrepot/${version()}`, primary: link })
  } catch (error) {
    process.stderr.write(`entrepot cannot start: ${errorText(error)}\n`)
    if (hooks.length > 0) log.fatal({ error }, 'entrepot cannot start')
    await flushLogHooks(hooks)
    leavePrimary()
    return 1
  }
  keepHeapSmall()
  if (link === undefined) process.stdout.write(greeting(config, running.server.address))
  else await link.ask('worker.serves', running.server.address)
  const signal = await stopping
  log.info({ signal, draintimeoutMs: config.http.draintimeout }, 'stopping: requests in progress may finish')
  await stop(running, config.http.draintimeout, log)
  await flushLogHooks(hooks)
  leavePrimary()
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

/** A worker ends when the primary says so or is gone; a terminal's Ctrl-C is for the primary. */
function stopOfPrimary(): Promise<string> {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => undefined)
  return new Promise((resolve) => {
    process.on('message', (message) => {
      if (message === stopMessage) resolve('the primary process')
    })
    process.on('disconnect', () => resolve('the primary process is gone'))
  })
}

/** The channel to the primary would keep this process alive. */
function leavePrimary(): void {
  if (process.connected) process.disconnect()
}

async function stop(running: Running, drainMs: number, log: Log): Promise<void> {
  try {
    await running.close(drainMs)
    log.info({}, 'stopped')
  } catch (error) {
    log.error({ error }, 'stopping went wrong')
  }
}

// What the process knows of itself, under the names that Prometheus' client for Node has. That client's own collectors watch each
// garbage collection, which cost every hit a fifth more time; these are read only when somebody looks.
import { readdirSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Meters, Reading } from './meters.ts'

const one = (value: () => number | undefined) => (): Reading[] => {
  const now = value()
  return now === undefined ? [] : [[[], now]]
}

/** Event-loop delay is measured from here on, between two scrapes each. */
export function addProcessMeters(meters: Meters): void {
  const startedAt = performance.timeOrigin / 1000
  const gauge = (name: string, help: string, value: () => number | undefined, across: 'sum' | 'min' = 'sum') =>
    meters.gauge(name, help, [], one(value), across)
  meters.counted(
    'process_cpu_seconds_total',
    'Processor time, of user and system.',
    [],
    one(() => {
      const { user, system } = process.cpuUsage()
      return (user + system) / 1e6
    }),
  )
  gauge('process_start_time_seconds', 'Start, in seconds since 1970.', () => startedAt, 'min')
  gauge('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss())
  gauge('process_open_fds', 'Open file descriptors.', openFiles)
  gauge('nodejs_heap_size_total_bytes', 'Heap.', () => process.memoryUsage().heapTotal)
  gauge('nodejs_heap_size_used_bytes', 'Heap in use.', () => process.memoryUsage().heapUsed)
  gauge('nodejs_external_memory_bytes', 'Memory outside of the heap: buffers, above all.', () => process.memoryUsage().external)
  meters.gauge('nodejs_version_info', 'Version of Node.', ['version'], () => [[[process.version], 1]])
  addEventLoopDelay(meters)
}

const nanosecondsPerSecond = 1e9

function addEventLoopDelay(meters: Meters): void {
  const delay = monitorEventLoopDelay({ resolution: 20 })
  delay.enable()
  const seconds = (nanoseconds: number) => (Number.isFinite(nanoseconds) ? nanoseconds / nanosecondsPerSecond : 0)
  const name = (what: string) => `nodejs_eventloop_lag_${what}_seconds`
  for (const percentile of [50, 90, 99]) {
    const help = `Event-loop delay since the last scrape, percentile ${percentile}.`
    meters.gauge(name(`p${percentile}`), help, [], () => [[[], seconds(delay.percentile(percentile))]])
  }
  meters.gauge(name('mean'), 'Event-loop delay since the last scrape, on average.', [], () => [[[], seconds(delay.mean)]])
  // The last one to be read begins the next span.
  meters.gauge(name('max'), 'The longest event-loop delay since the last scrape.', [], () => {
    const longest = seconds(delay.max)
    delay.reset()
    return [[[], longest]]
  })
}

/** `undefined` where the system has no such folder. */
function openFiles(): number | undefined {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return undefined
  }
}

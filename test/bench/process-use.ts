// What a process holds in memory and takes of the processors, seen from outside.
import { readFile } from 'node:fs/promises'
import { setInterval } from 'node:timers/promises'

const sampleEveryMs = 100
/** USER_HZ, the same on every Linux that Node runs on. */
const ticksPerSecond = 100

export interface MemoryWatch {
  /** Ends the watch. The highest resident memory since the process began is the kernel's own word. */
  stop(): Promise<{ readonly highestMegabytes: number; readonly samples: readonly number[] }>
}

export function watchMemory(pid: number): MemoryWatch {
  const samples: number[] = []
  const stopped = new AbortController()
  const sampling = (async () => {
    for await (const _ of setInterval(sampleEveryMs, undefined, { signal: stopped.signal })) samples.push((await statusOf(pid)).VmRSS)
  })().catch((error: unknown) => {
    if (!stopped.signal.aborted) throw error
  })
  return {
    async stop() {
      const { VmHWM } = await statusOf(pid)
      stopped.abort()
      await sampling
      return { highestMegabytes: VmHWM, samples }
    },
  }
}

export async function residentMegabytesOf(pid: number): Promise<number> {
  return (await statusOf(pid)).VmRSS
}

async function statusOf(pid: number): Promise<Record<'VmRSS' | 'VmHWM', number>> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8')
  const megabytes = (name: string) => (Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) * 1024) / 1e6
  return { VmRSS: megabytes('VmRSS'), VmHWM: megabytes('VmHWM') }
}

/** Seconds of processor time that the process has had so far, in itself and in the system on its behalf. */
export async function processorSecondsOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8')
  // The name, in parentheses, may have spaces; behind it user and system time are the 12th and 13th field.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

/** Of a process and those that it has started, which still run: nginx works in its children. */
export async function processorSecondsOfFamily(pid: number): Promise<number> {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).split(' ').filter((child) => child !== '')
  const seconds = await Promise.all([pid, ...children.map(Number)].map(processorSecondsOf))
  return seconds.reduce((sum, each) => sum + each, 0)
}

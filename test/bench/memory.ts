// Watches what a process holds in memory, from outside.
import { readFile } from 'node:fs/promises'
import { setInterval } from 'node:timers/promises'

const sampleEveryMs = 100

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

async function statusOf(pid: number): Promise<Record<'VmRSS' | 'VmHWM', number>> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8')
  const megabytes = (name: string) => (Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) * 1024) / 1e6
  return { VmRSS: megabytes('VmRSS'), VmHWM: megabytes('VmHWM') }
}

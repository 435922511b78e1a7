// The handle on a stand-in Hub in a process of its own.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Call, HubOperations, Reply } from './hub-process.ts'

export interface BenchHub extends AsyncDisposable {
  readonly url: string
  call<Name extends keyof HubOperations>(name: Name, ...args: Parameters<HubOperations[Name]>): ReturnType<HubOperations[Name]>
}

export async function startBenchHub(): Promise<BenchHub> {
  const child = fork(join(import.meta.dirname, 'hub-process.ts'), { serialization: 'advanced' })
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  child.on('message', (reply: Reply) => {
    const waiter = waiting.get(reply.id)
    waiting.delete(reply.id)
    if ('error' in reply) waiter?.reject(new Error(`the Hub's process: ${reply.error}`))
    else waiter?.resolve(reply.value)
  })
  child.once('exit', (code) => {
    for (const waiter of waiting.values()) waiter.reject(new Error(`the Hub's process ended with ${code}`))
  })
  let calls = 0
  const send = (name: keyof HubOperations, args: readonly unknown[]) => {
    const waiter = Promise.withResolvers<unknown>()
    calls += 1
    waiting.set(calls, waiter)
    child.send({ id: calls, name, args } satisfies Call)
    return waiter.promise
  }
  return {
    url: (await send('url', [])) as string,
    call: <Name extends keyof HubOperations>(name: Name, ...args: Parameters<HubOperations[Name]>) =>
      send(name, args) as ReturnType<HubOperations[Name]>,
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit')
      child.disconnect()
      await ended
    },
  }
}

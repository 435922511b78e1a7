// A driver that notes what is asked of it, and fails where a test says so.
import type { StorageDriver } from '../../src/store/driver.ts'

export interface WatchedDriver {
  readonly driver: StorageDriver
  /** `read /a/b`, in the order of asking; emptied by the test as it likes. */
  readonly calls: string[]
}

/** `failing` gets a call as it is noted and answers the error that it shall end with. */
export function watchedDriver(driver: StorageDriver, failing: (call: string) => Error | undefined = () => undefined): WatchedDriver {
  const calls: string[] = []
  const watched = new Proxy(driver, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        const call = `${String(name)} ${String(args[0])}`
        calls.push(call)
        const error = failing(call)
        if (error === undefined) return value.apply(target, args) as unknown
        return name === 'open' ? failingChunks(error) : Promise.reject(error)
      }
    },
  })
  return { driver: watched, calls }
}

async function* failingChunks(error: Error): AsyncGenerator<Uint8Array, void, void> {
  yield Buffer.from('the first bytes')
  throw error
}

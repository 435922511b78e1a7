// A driver whose actions are timed, under the names that distribution's metrics have for them. Powers that it does not know of pass
// through as they are.
import type { StoreFacts } from '../../telemetry/facts.ts'
import type { StorageDriver } from '../driver.ts'

const actions: Readonly<Record<string, string>> = {
  stat: 'Stat',
  sizeOf: 'Stat',
  read: 'GetContent',
  write: 'PutContent',
  append: 'Writer',
  list: 'List',
  move: 'Move',
  remove: 'Delete',
  adopt: 'Adopt',
}

type Method = (...args: readonly unknown[]) => unknown

export function measuredDriver<Driver extends StorageDriver>(driver: Driver, facts: StoreFacts): Driver {
  const made = new Map<string | symbol, Method>()
  return new Proxy(driver, {
    get(target, name) {
      const known = made.get(name)
      if (known !== undefined) return known
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      const method = (value as Method).bind(target)
      const action = typeof name === 'string' ? actions[name] : undefined
      const wrapped = action === undefined ? method : timed(method, (seconds) => facts.acted(driver.name, action, seconds))
      made.set(name, wrapped)
      return wrapped
    },
  })
}

function timed(method: Method, tell: (seconds: number) => void): Method {
  return async (...args) => {
    const began = performance.now()
    try {
      return await method(...args)
    } finally {
      tell((performance.now() - began) / 1000)
    }
  }
}

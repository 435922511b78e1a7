// Waiting with a signal. Shared work has its own life; a caller's signal ends only that caller's wait.

/** Settles as `promise` does, or rejects with the signal's reason. The work behind `promise` goes on. */
export function waitFor<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    // Nobody is going to look at it, but whoever shares it may.
    promise.catch(() => undefined)
    return Promise.reject(signal.reason)
  }
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

/**
 * A controller that aborts when `signal` does, until disposed. In place of AbortSignal.any, which keeps every dependant
 * of a signal that lives as long as the process.
 */
export function linkedController(signal: AbortSignal): AbortController & Disposable {
  const controller = new AbortController()
  const onAbort = () => controller.abort(signal.reason)
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  return Object.assign(controller, { [Symbol.dispose]: () => signal.removeEventListener('abort', onAbort) })
}

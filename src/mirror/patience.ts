// How long a client waits for upstream when there is something else that it may get.
import { UpstreamFailure } from '../content.ts'
import { waitFor } from '../lib/abort.ts'
import type { Clock } from '../lib/clock.ts'

/** Made once: an abort without a reason makes a new exception each time. */
const isOver = new Error('the wait is over')

/** What the work gives, or UpstreamFailure 'timeout' once `clock` has passed `deadline` (milliseconds since 1970). The work goes on. */
export async function waitUntil<T>(deadline: number, work: Promise<T>, clock: Clock, signal: AbortSignal): Promise<T> {
  const patience = new AbortController()
  const timeout = clock.sleep(Math.max(0, deadline - clock.now()), patience.signal).then(
    () => Promise.reject(new UpstreamFailure('timeout', 'no answer while a client with something else at hand would wait')),
    () => new Promise<never>(() => {}),
  )
  try {
    return await waitFor(Promise.race([work, timeout]), signal)
  } finally {
    patience.abort(isOver)
  }
}

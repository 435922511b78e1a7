// How much memory V8 may let garbage take. Its defaults suit programs that think; this one passes bytes on, and what it throws
// away per chunk is small: with them, 200 readers of one growing blob make the young generation grow to 100 MB for nothing.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** To be called once the server listens: what starting needed is collected, and what comes later is kept small. */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
  setFlagsFromString('--heap-growing-percent=30')
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as unknown
  if (typeof collect === 'function') collect()
}

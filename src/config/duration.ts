// Durations as Go writes them ("1h30m", "500ms"), because distribution's file does; a span is a number of milliseconds here.

const unitNanoseconds: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
}

// Go keeps a duration in 64 bits of nanoseconds; longer ones do not start there either.
const longestNanoseconds = 2 ** 63

/**
 * Milliseconds of a Go duration. A bare integer counts nanoseconds, as `time.Duration` read from YAML does.
 * Throws RangeError whose message is a hint (it may be empty) and never repeats the text.
 */
export function parseDuration(text: string): number {
  const trimmed = text.trim()
  if (/^[-+]?\d+$/.test(trimmed)) return checked(Number(trimmed))
  const whole = /^([-+]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/.exec(trimmed)
  if (whole === null) throw new RangeError(hintFor(trimmed))
  let nanoseconds = 0
  for (const part of (whole[2] ?? '').matchAll(/([\d.]+)([a-zµμ]+)/g)) {
    nanoseconds += Number(part[1]) * (unitNanoseconds[part[2] ?? ''] ?? Number.NaN)
  }
  return checked(whole[1] === '-' ? -nanoseconds : nanoseconds)
}

/** The same span in Go's notation, so that `parseDuration` reads it back. */
export function formatDuration(milliseconds: number): string {
  const nanoseconds = Math.round(Math.abs(milliseconds) * 1e6)
  const sign = milliseconds < 0 ? '-' : ''
  if (nanoseconds === 0) return '0s'
  if (nanoseconds < 1e9) return sign + (nanoseconds % 1e6 === 0 ? `${nanoseconds / 1e6}ms` : `${nanoseconds}ns`)
  const hours = Math.floor(nanoseconds / 3600e9)
  const minutes = Math.floor((nanoseconds % 3600e9) / 60e9)
  const seconds = (nanoseconds % 60e9) / 1e9
  return sign + (hours > 0 ? `${hours}h` : '') + (minutes > 0 ? `${minutes}m` : '') + (seconds > 0 ? `${seconds}s` : '')
}

function checked(nanoseconds: number): number {
  if (!(Math.abs(nanoseconds) < longestNanoseconds)) throw new RangeError('longer than 292 years')
  return nanoseconds / 1e6
}

function hintFor(text: string): string {
  const days = /^(\d+)\s*(d|days?)$/i.exec(text)
  if (days !== null) return `there is no unit for days: write ${Number(days[1]) * 24}h`
  if (/\s/.test(text)) return 'no spaces inside'
  return ''
}

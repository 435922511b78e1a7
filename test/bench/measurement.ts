// What a benchmark tells: one line per goal or reference. Numbers of one run are compared with each other only; the machine
// that runs this is small and noisy, so medians and ratios count and absolute numbers are lower bounds.

export interface Measurement {
  readonly bench: string
  readonly what: string
  /** In words. Absent for a reference that is only shown. */
  readonly goal?: string
  readonly measured: string
  /** `undefined`: nothing was demanded. */
  readonly isMet?: boolean
  /** The same in numbers, for `--json`. Names carry their unit. */
  readonly numbers: Readonly<Record<string, number | readonly number[] | string>>
}

export interface BenchOptions {
  /** Smaller and shorter: for a look, not for a verdict. */
  readonly isQuick: boolean
  /** Says what is going on, for a person who waits. */
  readonly tell: (text: string) => void
}

/** Runs to its end, cleans up behind itself, and throws only when it could not measure. */
export type Bench = (options: BenchOptions) => Promise<Measurement[]>

/** Throws for no values. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.ceil((sorted.length - 1) / 2)]]
  if (low === undefined || high === undefined) throw new Error('a median of nothing')
  return (low + high) / 2
}

/** Of pairs that were measured right after each other, which is what noise leaves standing. */
export function medianRatio(numerators: readonly number[], denominators: readonly number[]): number {
  return median(numerators.map((value, index) => value / (denominators[index] ?? Number.NaN)))
}

export const mebibyte = 1024 * 1024

export function table(measurements: readonly Measurement[]): string {
  const header = ['benchmark', 'what', 'goal', 'measured', '']
  const rows = measurements.map(({ bench, what, goal, measured, isMet }) => [
    bench,
    what,
    goal ?? '(reference)',
    measured,
    verdictOf(isMet),
  ])
  const widths = header.map((_, column) => Math.max(...[header, ...rows].map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  return [line(header), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n')
}

function verdictOf(isMet: boolean | undefined): string {
  if (isMet === undefined) return ''
  return isMet ? 'met' : 'NOT MET'
}

// What people read on a terminal: tables, sizes, times. Pure.

/** Columns as wide as their longest cell; those named in `right` are aligned to the right. */
export function tableOf(head: readonly string[], rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => (row[at] ?? '').length)))
  const line = (cells: readonly string[]) =>
    widths
      .map((width, at) => (right.includes(at) ? (cells[at] ?? '').padStart(width) : (cells[at] ?? '').padEnd(width)))
      .join('  ')
      .trimEnd()
  return [head, ...rows].map((cells) => `${line(cells)}\n`).join('')
}

/** `1.5 GB`. */
export function sizeText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  const at = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3))
  const value = bytes / 1000 ** at
  return `${value.toFixed(at === 0 || value >= 100 ? 0 : 1)} ${units[at]}`
}

/** `3 min ago`, `in 2 h`. */
export function whenText(time: string, now: number): string {
  const seconds = Math.round((now - Date.parse(time)) / 1000)
  return seconds >= 0 ? `${spanText(seconds)} ago` : `in ${spanText(-seconds)}`
}

export function spanText(seconds: number): string {
  if (seconds < 60) return `${Math.floor(seconds)} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  return seconds < 48 * 3600 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`
}

// Amounts of bytes as people write them ("20MB", "200GiB") and shares of a disk ("80%").

/** A limit in bytes, or as a share of the disk (above 0, at most 100). */
export type SizeLimit = { readonly bytes: number } | { readonly percent: number }

// KB and K are decimal, KiB and Ki binary, as in Kubernetes and in `df`.
const unitBytes: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  p: 1e15,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
  ti: 2 ** 40,
  pi: 2 ** 50,
}

/** Whole bytes. Throws RangeError whose message is a hint (it may be empty). */
export function parseBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim())
  const unit = (match?.[2] ?? '').toLowerCase()
  const factor = unitBytes[unit] ?? unitBytes[unit.replace(/b$/, '')]
  if (match === null || factor === undefined) throw new RangeError('')
  const bytes = Math.round(Number(match[1]) * factor)
  if (!Number.isSafeInteger(bytes)) throw new RangeError('too large')
  return bytes
}

/** Throws RangeError as `parseBytes`. */
export function parseSizeLimit(text: string): SizeLimit {
  const share = /^(\d+(?:\.\d+)?)\s*%$/.exec(text.trim())
  if (share === null) return { bytes: parseBytes(text) }
  const percent = Number(share[1])
  if (percent <= 0 || percent > 100) throw new RangeError('a share is above 0% and at most 100%')
  return { percent }
}

/** The shortest exact spelling, so that `parseBytes` reads the same number back. */
export function formatBytes(bytes: number): string {
  if (bytes === 0) return '0'
  for (const unit of ['pi', 'ti', 'gi', 'mi', 'ki', 'p', 't', 'g', 'm', 'k']) {
    const factor = unitBytes[unit] ?? 1
    if (bytes % factor === 0) return `${bytes / factor}${unit[0]?.toUpperCase()}${unit.slice(1)}B`
  }
  return String(bytes)
}

export function formatSizeLimit(limit: SizeLimit): string {
  return 'percent' in limit ? `${limit.percent}%` : formatBytes(limit.bytes)
}

// Numbers and times as people read them. Pure.

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

/** `1.5 GB`. */
export function size(bytes) {
  const at = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3))
  const value = bytes / 1000 ** at
  return `${value.toFixed(at === 0 || value >= 100 ? 0 : 1)} ${units[at]}`
}

/** `93 %`; a dash where there is nothing to have a part of. 100 only for all. */
export function share(part, whole) {
  return whole > 0 ? `${Math.floor((100 * part) / whole)} %` : '–'
}

export function count(value) {
  return value.toLocaleString('en')
}

/** `3 min`. */
export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds))
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min`
  return whole < 48 * 3600 ? `${Math.floor(whole / 3600)} h` : `${Math.floor(whole / 86_400)} days`
}

/** `3 min ago`, `in 2 h`. */
export function when(time, now) {
  const seconds = (now - Date.parse(time)) / 1000
  if (Math.abs(seconds) < 1) return 'now'
  return seconds > 0 ? `${span(seconds)} ago` : `in ${span(-seconds)}`
}

/** `14:05`; of another day with the date. */
export function clock(time, now) {
  const at = new Date(time)
  const text = at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
  return at.toDateString() === new Date(now).toDateString() ? text : `${at.toLocaleDateString()} ${text}`
}

export function shortDigest(digest) {
  return digest.replace(/^(\w+:)(.{12}).*$/, '$2')
}

export function plural(number, one, many) {
  return `${count(number)} ${number === 1 ? one : many}`
}

// Patterns over names with slashes, compiled once: `*` within a component, `**` across components, `?` one character of a component.

/** Whether a text fits. */
export type Glob = (text: string) => boolean

/** Everything else stands for itself, letters in the case they are written in. `**` with a slash behind it may also stand for nothing. */
export function compileGlob(pattern: string): Glob {
  const source = pattern.replace(/(^|\/)\*\*+\/|\*\*+|[\s\S]/g, (token, before: string | undefined) => {
    if (token.length > 1) return token.endsWith('/') ? `${before ?? ''}(?:.*/)?` : '.*'
    if (token === '*') return '[^/]*'
    if (token === '?') return '[^/]'
    return token.replace(/[\\^$.|+()[\]{}]/, '\\$&')
  })
  const expression = new RegExp(`^${source}$`, 's')
  return (text) => expression.test(text)
}

/** Fits what one of the patterns fits; without patterns nothing. */
export function compileGlobs(patterns: readonly string[]): Glob {
  const globs = patterns.map(compileGlob)
  return (text) => globs.some((glob) => glob(text))
}

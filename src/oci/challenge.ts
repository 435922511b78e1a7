// WWW-Authenticate (RFC 9110, section 11.6.1): what a server wants to see before it answers.

export interface Challenge {
  /** In lower case: `bearer`, `basic`. */
  readonly scheme: string
  /** Names in lower case. */
  readonly parameters: Readonly<Record<string, string>>
}

const token = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y
const parameter = /\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))/y

/** Every challenge of one header value, in order. What can't be understood ends the reading; nothing is thrown. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = []
  let position = 0
  while (position < header.length) {
    position = skip(header, position)
    token.lastIndex = position
    const scheme = token.exec(header)?.[0]
    if (scheme === undefined) break
    position = token.lastIndex
    const [parameters, end] = readParameters(header, position)
    challenges.push({ scheme: scheme.toLowerCase(), parameters })
    position = end
  }
  return challenges
}

function readParameters(header: string, from: number): [Record<string, string>, number] {
  const parameters: Record<string, string> = {}
  let position = from
  for (;;) {
    const start = skip(header, position)
    parameter.lastIndex = start
    const match = parameter.exec(header)
    if (match === null) return [parameters, position]
    const name = (match[1] ?? '').toLowerCase()
    parameters[name] ??= match[2] === undefined ? (match[3] ?? '') : match[2].replace(/\\(.)/g, '$1')
    position = parameter.lastIndex
  }
}

function skip(header: string, from: number): number {
  let position = from
  while (position < header.length && /[\s,]/.test(header[position] as string)) position += 1
  return position
}

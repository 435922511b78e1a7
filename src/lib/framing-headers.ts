// Headers that frame a message: another value than its own would break every answer, so they are not for configuration.
const framing: ReadonlySet<string> = new Set(['connection', 'content-length', 'content-type', 'keep-alive', 'transfer-encoding'])

export function isFraming(name: string): boolean {
  return framing.has(name.toLowerCase())
}

// Hosts of registries as they stand before an image's name: `ghcr.io`, `localhost:5000`. Pure.
import { isIP } from 'node:net'

/** Docker Hub's names: the one in images, where it answers, and the one of old clients. */
export const dockerHubHosts: readonly string[] = ['docker.io', 'registry-1.docker.io', 'index.docker.io']

export interface RegistryHost {
  /** `localhost:5000`, in lower case. */
  readonly host: string
  /** Without the port. */
  readonly hostname: string
  readonly port: number | undefined
}

// The reference grammar of images: labels of letters, digits and hyphens, then perhaps a port.
const label = '[a-z0-9](?:[a-z0-9-]*[a-z0-9])?'
/** The HTTP client reads the whole as an address then (WHATWG URL, "ends in a number"): 127.1, 0x7f.1 and the like. */
const endsInNumber = /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/
const hostPattern = new RegExp(`^(${label}(?:\\.${label})*)(?::([0-9]{1,5}))?$`)

/** `undefined` for what clients would take for the beginning of a name instead: a host has a dot or a port, or is `localhost`. */
export function parseRegistryHost(text: string): RegistryHost | undefined {
  const host = text.toLowerCase()
  const [matched, hostname = '', digits] = hostPattern.exec(host) ?? []
  const port = digits === undefined ? undefined : Number(digits)
  if (matched === undefined || port === 0 || (port ?? 0) > 65_535) return undefined
  const isHost = endsInNumber.test(hostname) ? isIP(hostname) !== 0 : /\.|^localhost$/.test(hostname) || port !== undefined
  return isHost ? { host, hostname, port } : undefined
}

/** Where a registry answers unless its configuration says it. */
export function registryUrlOf(host: string): string {
  return dockerHubHosts.includes(host) ? 'https://registry-1.docker.io' : `https://${host}`
}

const privateEndings = ['.localhost', '.local', '.internal', '.lan', '.home.arpa']

/** Addresses, and names that only mean something in the network around this machine: what a stranger must not make us ask. */
export function isPrivateName(hostname: string): boolean {
  return endsInNumber.test(hostname) || !hostname.includes('.') || privateEndings.some((ending) => hostname.endsWith(ending))
}

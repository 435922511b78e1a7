// HTTP_PROXY, HTTPS_PROXY and NO_PROXY, as the registries that this program replaces understand them. Pure.
import { BlockList, isIP } from 'node:net'

export interface ProxySettings {
  /** URL of the proxy for http:// targets; `undefined`: none. */
  readonly httpProxy: string | undefined
  readonly httpsProxy: string | undefined
  /** Hosts, domains and `host:port`, comma separated, that are reached directly. */
  readonly noProxy: string
  /** Whether the address (not name) is in a network of NO_PROXY, such as 10.0.0.0/8, or is this machine itself. */
  isDirectAddress(hostname: string): boolean
}

/** Lower case wins over upper case; a proxy without a scheme is an http one. This machine itself is never reached through a proxy. */
export function parseProxySettings(env: Readonly<Record<string, string | undefined>>): ProxySettings {
  const read = (name: string) => env[name.toLowerCase()] ?? env[name]
  const entries = (read('NO_PROXY') ?? '').split(/[,\s]+/).filter((entry) => entry !== '')
  const networks = new BlockList()
  networks.addSubnet('127.0.0.0', 8, 'ipv4')
  networks.addAddress('::1', 'ipv6')
  for (const entry of entries) addNetwork(networks, entry)
  return {
    httpProxy: proxyUrl(read('HTTP_PROXY')),
    httpsProxy: proxyUrl(read('HTTPS_PROXY')),
    noProxy: [...entries.filter((entry) => !entry.includes('/')), 'localhost'].join(','),
    isDirectAddress(hostname) {
      const address = hostname.replace(/^\[(.*)\]$/, '$1')
      const version = isIP(address)
      return version !== 0 && networks.check(address, version === 6 ? 'ipv6' : 'ipv4')
    },
  }
}

function proxyUrl(text: string | undefined): string | undefined {
  const trimmed = text?.trim() ?? ''
  if (trimmed === '') return undefined
  return trimmed.includes('://') ? trimmed : `http://${trimmed}`
}

function addNetwork(networks: BlockList, entry: string): void {
  const match = /^\[?([0-9a-fA-F:.]+)\]?\/(\d{1,3})$/.exec(entry)
  const version = isIP(match?.[1] ?? '')
  const prefix = Number(match?.[2])
  if (match === null || version === 0 || prefix > (version === 6 ? 128 : 32)) return
  networks.addSubnet(match[1] ?? '', prefix, version === 6 ? 'ipv6' : 'ipv4')
}

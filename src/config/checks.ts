// What a type cannot tell: values that contradict each other, are missing together, or are allowed and probably a mistake.

import { isIP } from 'node:net'

import { isSet } from './aliases.ts'
import { findNode } from './document.ts'
import type { ConfigNode, MapNode } from './document.ts'
import { parseDuration } from './duration.ts'
import { redactUrl } from './leaves.ts'
import type { ConfigPath, Warning } from './problems.ts'
import { formatPath } from './problems.ts'
import type { Config } from './schema.ts'
import { authNames } from './schema/access.ts'
import { driverNames } from './schema/storage.ts'
import { configShape } from './shape.ts'
import type { Shape } from './shape.ts'

/** Where findings go; each is told with the place of `path`. */
export interface Findings {
  error(path: ConfigPath, message: string): void
  warn(kind: Warning['kind'], path: ConfigPath, message: string): void
}

const supportedDrivers = driverNames.filter((name) => name !== 'swift' && name !== 'oss')

/** What can be said of the text before it has types: drivers, required sections, spans without a unit. */
export function checkTree(root: MapNode, findings: Findings): void {
  const storage = findNode(root, ['storage'])
  const drivers = storage?.kind === 'map' ? driverNames.filter((name) => storage.entries.has(name)) : []
  if (!isSet(findNode(root, ['version']))) findings.error(['version'], 'missing; allowed: 0.1')
  if (drivers.length === 0)
    findings.error(['storage'], `no storage driver is given; allowed: exactly one of ${supportedDrivers.join(', ')}`)
  if (drivers.length > 1) findings.error(['storage'], `found ${drivers.join(' and ')}; allowed: exactly one storage driver`)
  for (const name of ['swift', 'oss'] as const) {
    if (drivers.includes(name))
      findings.error(['storage', name], `this driver is gone, as in distribution 3; allowed: ${supportedDrivers.join(', ')}`)
  }
  const auth = findNode(root, ['auth'])
  const ways = auth?.kind === 'map' ? authNames.filter((name) => auth.entries.has(name)) : []
  if (ways.length > 1) findings.error(['auth'], `found ${ways.join(' and ')}; allowed: one of ${authNames.join(', ')}`)
  const proxy = findNode(root, ['proxy'])
  if (proxy?.kind === 'map' && !isSet(findNode(proxy, ['remoteurl']))) {
    if ([...proxy.entries.values()].some((entry) => isSet(entry.node))) {
      findings.warn('odd', ['proxy'], 'without proxy.remoteurl nothing is mirrored, and the other keys of proxy have no effect')
    }
    root.entries.delete('proxy')
  }
  warnOfNanoseconds(root, configShape, [], findings)
}

/** What can be said of the values. */
export function checkConfig(config: Config, findings: Findings): void {
  checkListening(config, findings)
  checkTls(config, findings)
  if (config.proxy !== undefined) checkProxy(config.proxy, findings)
  if (config.storage.cache.blobdescriptor === 'redis' && (config.redis?.addrs.length ?? 0) === 0) {
    findings.error(['storage', 'cache', 'blobdescriptor'], 'found redis, and no redis.addrs; allowed: inmemory, or redis with redis.addrs')
  }
  for (const [at, endpoint] of config.notifications.endpoints.entries()) {
    if (!endpoint.disabled && endpoint.url === undefined) findings.error(['notifications', 'endpoints', at, 'url'], 'missing')
  }
}

function checkListening(config: Config, findings: Findings): void {
  const { addr, net, prefix, host, debug } = config.http
  if (net === 'tcp' && !isAddress(addr))
    findings.error(['http', 'addr'], `found ${JSON.stringify(addr)}; allowed: :5000, host:5000, [::1]:5000`)
  if (debug.addr !== undefined && !isAddress(debug.addr)) {
    findings.error(['http', 'debug', 'addr'], `found ${JSON.stringify(debug.addr)}; allowed: :5001, host:5001, [::1]:5001`)
  }
  if (!/^\/([\w.~-]+\/)*$/.test(prefix)) {
    findings.error(
      ['http', 'prefix'],
      `found ${JSON.stringify(prefix)}; allowed: a path that begins and ends with a slash, such as /registry/`,
    )
  }
  if (host !== undefined && config.http.relativeurls)
    findings.warn('odd', ['http', 'relativeurls'], 'has no effect, because http.host is set')
}

function checkTls(config: Config, findings: Findings): void {
  const tls = config.http.tls
  if (tls === undefined) return
  if ((tls.certificate === undefined) !== (tls.key === undefined))
    findings.error(['http', 'tls'], 'certificate and key must be given together')
  if (tls.certificate !== undefined && tls.letsencrypt !== undefined) {
    findings.error(['http', 'tls', 'letsencrypt'], 'cannot be combined with http.tls.certificate')
  }
  if (tls.minimumtls === 'tls1.0' || tls.minimumtls === 'tls1.1') {
    findings.warn(
      'odd',
      ['http', 'tls', 'minimumtls'],
      `${tls.minimumtls} is not offered any more, as in distribution 3; tls1.2 is the least`,
    )
  }
}

function checkProxy(proxy: NonNullable<Config['proxy']>, findings: Findings): void {
  const url = new URL(proxy.remoteurl)
  const path = ['proxy', 'remoteurl']
  if (url.search !== '' || url.hash !== '')
    findings.error(path, `found ${JSON.stringify(redactUrl(proxy.remoteurl))}; allowed: a URL without ? and #`)
  if (url.username !== '' || url.password !== '')
    findings.warn('odd', path, 'a name or password in the URL is not used; write proxy.username and proxy.password')
  if (/^(www\.|hub\.|index\.|registry\.)?docker\.(io|com)$/.test(url.hostname)) {
    findings.warn('odd', path, `${url.hostname} is not the registry of Docker Hub; did you mean https://registry-1.docker.io?`)
  }
  const { username, password, exec } = proxy
  if (password !== undefined && username === undefined) findings.warn('odd', ['proxy', 'password'], 'has no effect without proxy.username')
  if (username !== undefined && password === undefined && exec === undefined)
    findings.warn('odd', ['proxy', 'username'], 'has no effect without proxy.password')
  if (exec !== undefined && username !== undefined)
    findings.warn('odd', ['proxy', 'exec'], 'proxy.username and proxy.password have no effect, because proxy.exec is set')
  if (proxy.insecure) findings.warn('odd', ['proxy', 'insecure'], 'any certificate of the upstream is accepted; proxy.ca is the safe way')
  if (username !== undefined && url.protocol === 'http:' && !isLoopback(url.hostname)) {
    findings.warn('odd', path, 'the credentials travel unencrypted, because the URL begins with http://')
  }
}

/** `:5000`, `host:5000`, `127.0.0.1:5000`, `[::1]:5000`. */
function isAddress(text: string): boolean {
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s/]*)):(\d{1,5})$/.exec(text)
  if (match === null || Number(match[3]) > 65_535) return false
  return match[1] === undefined || isIP(match[1].replace(/%.*$/, '')) === 6
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.')
}

// A bare number of nanoseconds is what distribution reads and hardly ever what was meant.
function warnOfNanoseconds(node: ConfigNode, shape: Shape, path: ConfigPath, findings: Findings): void {
  if (node.kind === 'map') {
    for (const [key, { node: value }] of node.entries) {
      const child = shape.kind === 'section' ? shape.keys.get(key) : shape.kind === 'map' ? shape.value : undefined
      if (child !== undefined) warnOfNanoseconds(value, child, [...path, key], findings)
    }
  } else if (node.kind === 'list') {
    if (shape.kind === 'list') for (const [at, item] of node.items.entries()) warnOfNanoseconds(item, shape.item, [...path, at], findings)
  } else if (shape.kind === 'leaf' && shape.facts.kind === 'duration' && /^[-+]?\d+$/.test(node.text ?? '')) {
    const text = (node.text ?? '').trim()
    if (parseDurationOrZero(text) !== 0)
      findings.warn('odd', path, `${text} counts nanoseconds; did you mean ${text}s? (${formatPath(path)}: ${text}s)`)
  }
}

function parseDurationOrZero(text: string): number {
  try {
    return parseDuration(text)
  } catch {
    return 0 // the schema tells about it
  }
}

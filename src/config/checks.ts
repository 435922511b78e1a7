// What a type cannot tell: values that contradict each other, are missing together, or are allowed and probably a mistake.

import { isIP } from 'node:net'

import { findNode, isSet } from './document.ts'
import type { ConfigNode, MapNode, ScalarNode } from './document.ts'
import type { ConfigPath, Findings } from './problems.ts'
import { checkHttp } from './http-checks.ts'
import { checkProxy } from './proxy-checks.ts'
import type { Config } from './schema.ts'
import { authNames } from './schema/access.ts'
import { driverNames } from './schema/storage.ts'
import { configShape } from './shape.ts'
import type { Shape } from './shape.ts'
import { checkTls } from './tls-checks.ts'

const goneDrivers: ReadonlySet<string> = new Set(['swift', 'oss'])

/** What can be said of the text before it has types: drivers, required sections, spans without a unit. Takes a `proxy` without upstream out. */
export function checkTree(root: MapNode, findings: Findings): void {
  if (!isSet(findNode(root, ['version']))) findings.error(['version'], 'missing; allowed: 0.1')
  checkDrivers(keysAmong(root, 'storage', driverNames), findings)
  const ways = keysAmong(root, 'auth', authNames)
  if (ways.length > 1) findings.error(['auth'], `found ${ways.join(' and ')}; allowed: one of ${authNames.join(', ')}`)
  const proxy = findNode(root, ['proxy'])
  if (proxy?.kind === 'map' && !isSet(findNode(proxy, ['remoteurl']))) {
    if ([...proxy.entries.values()].some((entry) => isSet(entry.node))) {
      findings.warn('odd', ['proxy'], 'without proxy.remoteurl nothing is mirrored, and the other keys of proxy have no effect')
    }
    root.entries.delete('proxy')
  }
  walkValues(root, configShape, [], (node, shape, path) => {
    // A bare number of nanoseconds is what distribution reads and hardly ever what was meant.
    const text = node.text ?? ''
    const bare = shape.kind === 'leaf' && shape.facts.kind === 'duration' && /^[-+]?\d+$/.test(text)
    if (bare && Number(text) !== 0) findings.warn('odd', path, `${text} counts nanoseconds; did you mean ${text}s?`)
  })
}

function checkDrivers(drivers: readonly string[], findings: Findings): void {
  const allowed = driverNames.filter((name) => !goneDrivers.has(name)).join(', ')
  if (drivers.length === 0) findings.error(['storage'], `no storage driver is given; allowed: exactly one of ${allowed}`)
  if (drivers.length > 1) findings.error(['storage'], `found ${drivers.join(' and ')}; allowed: exactly one storage driver`)
  for (const name of drivers) {
    if (goneDrivers.has(name)) findings.error(['storage', name], `this driver is gone, as in distribution 3; allowed: ${allowed}`)
  }
}

function keysAmong(root: MapNode, section: string, names: readonly string[]): string[] {
  const node = findNode(root, [section])
  return node?.kind === 'map' ? names.filter((name) => node.entries.has(name)) : []
}

/** What can be said of the values. */
export function checkConfig(config: Config, findings: Findings): void {
  checkListening(config, findings)
  checkHttp(config, findings)
  if (config.http.tls !== undefined) checkTls(config.http.tls, findings)
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

/** `:5000`, `host:5000`, `127.0.0.1:5000`, `[::1]:5000`. */
function isAddress(text: string): boolean {
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s/]*)):(\d{1,5})$/.exec(text)
  if (match === null || Number(match[3]) > 65_535) return false
  return match[1] === undefined || isIP(match[1].replace(/%.*$/, '')) === 6
}

function walkValues(
  node: ConfigNode,
  shape: Shape,
  path: ConfigPath,
  visit: (node: ScalarNode, shape: Shape, path: ConfigPath) => void,
): void {
  if (node.kind === 'scalar') {
    visit(node, shape, path)
  } else if (node.kind === 'list') {
    if (shape.kind !== 'list') return
    for (const [at, item] of node.items.entries()) walkValues(item, shape.item, [...path, at], visit)
  } else {
    for (const [key, { node: value }] of node.entries) {
      const child = shape.kind === 'section' ? shape.keys.get(key) : shape.kind === 'map' ? shape.value : undefined
      if (child !== undefined) walkValues(value, child, [...path, key], visit)
    }
  }
}

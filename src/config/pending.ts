// The keys that are known and have no effect: the one list of what is not built yet, and of what never will be.
// A feature that lands takes its line out of here.

import { findNode, originAt } from './document.ts'
import type { ConfigNode, MapNode } from './document.ts'
import type { Warning } from './problems.ts'
import { formatOrigin } from './problems.ts'

const notYet = 'not built yet, so it has no effect'

/** `a.b` → what to say when it is set. A longer path below a shorter one is not said twice. */
const pending: Readonly<Record<string, string>> = {
  'cluster.advertise': `streaming fills from replica to replica is ${notYet}`,
  policy: `the policy on repository classes is ${notYet}`,
}

const oneConnection = 'has no effect here: one connection carries all commands'
const mastersOnly = 'has no effect here: only masters are asked'

const ignored: Readonly<Record<string, string>> = {
  'log.reportcaller': 'has no effect here',
  'storage.azure.skipverify': 'has no effect here: certificates of the storage are always verified',
  'storage.tag.concurrencylimit': 'has no effect here: tags are looked up with a bound of their own',
  'proxy.cachewritetimeout': 'has no effect here: a write to the cache is never waited for',
  middleware: "distribution's middleware has no counterpart here",
  'redis.maxretries': 'has no effect here: a command is not repeated, the replica goes on without Redis until it is back',
  'redis.writetimeout': 'has no effect here: redis.readtimeout bounds a whole command',
  'redis.contexttimeoutenabled': oneConnection,
  'redis.poolfifo': oneConnection,
  'redis.poolsize': oneConnection,
  'redis.pooltimeout': oneConnection,
  'redis.minidleconns': oneConnection,
  'redis.maxidleconns': oneConnection,
  'redis.maxactiveconns': oneConnection,
  'redis.connmaxidletime': oneConnection,
  'redis.connmaxlifetime': oneConnection,
  'redis.readonly': mastersOnly,
  'redis.routebylatency': mastersOnly,
  'redis.routerandomly': mastersOnly,
  'redis.disableidentity': 'has no effect here: the client does not tell Redis what it is',
  'redis.identitysuffix': 'has no effect here: the client does not tell Redis what it is',
  'redis.unstableresp3': 'has no effect here',
  compatibility: 'manifests of schema 1 are not supported, as in distribution 3',
  reporting: 'Bugsnag and New Relic are not supported, as in distribution 3',
}

// Values that ask for nothing, and the default words of choices.
const quietWords = new Set(['false', 'no', 'off', 'n', 'none', 'shared', 'tcp', '0', '0s'])

/** Tells about each key that is set to something and has no effect. */
export function pendingWarnings(root: MapNode): Warning[] {
  return [
    ...Object.entries(pending).flatMap(([path, words]) => warningFor(root, 'pending', path, words)),
    ...Object.entries(ignored).flatMap(([path, words]) => warningFor(root, 'ignored', path, words)),
  ]
}

function warningFor(root: MapNode, kind: 'pending' | 'ignored', path: string, message: string): Warning[] {
  const steps = path.split('.')
  const node = findNode(root, steps)
  if (node === undefined || isQuiet(node)) return []
  return [{ kind, where: formatOrigin(originAt(root, steps)), path, message }]
}

function isQuiet(node: ConfigNode): boolean {
  if (node.kind === 'scalar') return node.text === null || quietWords.has(node.text.toLowerCase())
  if (node.kind === 'list') return node.items.every(isQuiet)
  const enabled = node.entries.get('enabled')?.node
  if (enabled !== undefined && isQuiet(enabled)) return true
  const disabled = node.entries.get('disabled')?.node
  if (disabled !== undefined && !isQuiet(disabled)) return true
  return [...node.entries.values()].every((entry) => isQuiet(entry.node))
}

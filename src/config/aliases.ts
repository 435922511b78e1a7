// Other spellings of known keys: distribution 2's names, and names that only its REGISTRY_* variables use. The schema knows one name for each.

import { emptyMap, findNode, isSet, putNode } from './document.ts'
import type { MapNode } from './document.ts'
import { driverNames } from './schema/storage.ts'

interface Alias {
  readonly from: readonly string[]
  readonly to: readonly string[]
}

/** May stand in the file and in variables. The newer name counts where both are set, as `loglevel` does in distribution. */
export const fileAliases: readonly Alias[] = [
  { from: ['loglevel'], to: ['log', 'level'] },
  { from: ['storage', 's3aws'], to: ['storage', 's3'] },
  { from: ['storage', 'cache', 'layerinfo'], to: ['storage', 'cache', 'blobdescriptor'] },
  { from: ['redis', 'addr'], to: ['redis', 'addrs'] },
  { from: ['redis', 'pool', 'maxidle'], to: ['redis', 'maxidleconns'] },
  { from: ['redis', 'pool', 'maxactive'], to: ['redis', 'poolsize'] },
  { from: ['redis', 'pool', 'idletimeout'], to: ['redis', 'connmaxidletime'] },
]

/** Only in variables: they are named after the fields of distribution's program, not after the file. `*` stands for a place in a list. */
export const variableAliases: readonly Alias[] = [
  { from: ['notifications', 'eventconfig'], to: ['notifications', 'events'] },
  { from: ['health', 'filecheckers'], to: ['health', 'file'] },
  { from: ['health', 'httpcheckers'], to: ['health', 'http'] },
  { from: ['health', 'tcpcheckers'], to: ['health', 'tcp'] },
  { from: ['log', 'hooks', '*', 'mailoptions'], to: ['log', 'hooks', '*', 'options'] },
  { from: ['redis', 'options'], to: ['redis'] },
]

/**
 * Moves what stands under an old name to the newer one, and writes the short forms out: `storage: inmemory` for a driver without
 * parameters, `auth: none`, a driver or a way to authenticate with nothing behind the colon. Changes `root`.
 */
export function normalise(root: MapNode): void {
  for (const { from, to } of fileAliases) moveNode(root, from, to)
  for (const name of ['storage', 'auth']) {
    const section = findNode(root, [name])
    if (section?.kind === 'scalar' && section.text !== null) putNode(root, [name, section.text], emptyMap(section.at))
  }
  for (const { from, to } of fileAliases) moveNode(root, from, to)
  for (const path of [...driverNames.map((name) => ['storage', name]), ['auth', 'none']]) {
    const node = findNode(root, path)
    if (node?.kind === 'scalar' && node.text === null) putNode(root, path, emptyMap(node.at))
  }
}

function moveNode(root: MapNode, from: readonly string[], to: readonly string[]): void {
  const node = findNode(root, from)
  const parent = findNode(root, from.slice(0, -1))
  if (node === undefined || parent?.kind !== 'map') return
  parent.entries.delete(from.at(-1) ?? '')
  if (parent.entries.size === 0 && from.length > 2) {
    const above = findNode(root, from.slice(0, -2))
    if (above?.kind === 'map') above.entries.delete(from.at(-2) ?? '')
  }
  if (!isSet(findNode(root, to))) putNode(root, to, node)
}

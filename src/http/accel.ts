// `http.accel: nginx`: a blob that lies in a file is not sent but named, and the nginx in front sends it from the same folder by
// sendfile(2) (nginx's X-Accel-Redirect). Everything else about the request was decided here before.
import type { BlockList } from 'node:net'
import type { BlobHandle } from '../content.ts'
import { isTrustedPeer } from './client-address.ts'
import type { Exchange } from './exchange.ts'

export interface Accel {
  /** The folder that nginx serves as its internal location, absolute. */
  readonly root: string
  readonly trustedProxies: BlockList
}

/** Such as `/entrepot-files/`: it becomes a part of an address. */
const internalLocation = /^\/(?:[\w-][\w.-]*\/)+$/

/**
 * The address at which nginx finds the file. `undefined`: the blob has to be sent from here.
 * That there is an nginx with such a location is known by a header that it sets; a trusted address alone would do for any client
 * of one's own network. nginx knows the file's time in place of our entity tag and answers several ranges with several parts, so
 * conditions and lists of ranges stay here.
 */
export function accelTarget({ req }: Exchange, { file }: BlobHandle, { root, trustedProxies }: Accel): string | undefined {
  const location = req.headers['x-accel-location']
  if (file === undefined || typeof location !== 'string' || !internalLocation.test(location)) return undefined
  if (!file.startsWith(`${root}/`) || !isTrustedPeer(req, trustedProxies)) return undefined
  if (req.headers['if-range'] !== undefined || req.headers.range?.includes(',') === true) return undefined
  return location + file.slice(root.length + 1)
}

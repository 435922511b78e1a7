// What replicas ask each other: a blob that is being filled here. Not for clients: requests are signed, and no fill is started.
import type { ContentSource } from '../../content.ts'
import { RegistryError } from '../../oci/errors.ts'
import type { Exchange, Handler } from '../exchange.ts'
import type { SendBlobOptions } from '../send-blob.ts'
import { createBlobHandlers } from './blobs.ts'
import { createNaming } from '../request-names.ts'

export interface PeerAccess {
  /** Blobs that are here or on their way in; names as the content knows them. */
  readonly findBlob: ContentSource['findBlob']
  /** Whether one of the other replicas asks. `target`: path and query as in the request line. */
  isPeer(request: { readonly method: string; readonly target: string; readonly signature: string | undefined }): boolean
  /** The header that carries the signature. */
  readonly signatureHeader: string
}

/** Below this the replicas' names and digests stand as below `/v2/`. */
export const peerPath = '/_cluster'

export function createPeerBlobs(peers: PeerAccess, content: ContentSource, options: SendBlobOptions): Handler {
  const asked = { findBlob: peers.findBlob, describeBlob: content.describeBlob.bind(content) }
  const { GET } = createBlobHandlers(
    asked,
    createNaming((_ns, name) => name),
    options,
  )
  return (exchange, captures) => {
    if (!isPeer(peers, exchange)) throw new RegistryError('DENIED', 'this address is for the other replicas')
    return GET(exchange, captures)
  }
}

function isPeer({ isPeer: judge, signatureHeader }: PeerAccess, { req }: Exchange): boolean {
  const signature = req.headers[signatureHeader]
  return judge({ method: req.method ?? '', target: req.url ?? '', signature: typeof signature === 'string' ? signature : undefined })
}

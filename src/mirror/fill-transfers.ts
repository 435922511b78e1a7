// Where the bytes of one fill come from: straight from upstream, or, among replicas, from the one of them that fetches.
import type { BlobTransfer, TransferRange, TransferSource } from '../content.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/names.ts'

/** For one fill; disposed of when the fill is settled. `open` works afterwards, too, for readers that are left. */
export interface FillTransfers extends AsyncDisposable {
  /** As TransferSource.openBlob. */
  open(range: TransferRange | undefined, signal: AbortSignal): Promise<BlobTransfer | undefined>
  /**
   * Resolves when the complete blob may be put into the store: nodes that have it at the same time do so one after the other.
   * `look`: another one may have done so by now. Never throws.
   */
  commitTurn(signal: AbortSignal): Promise<'store' | 'look'>
}

export type OpenFillTransfers = (repository: RepositoryName, digest: Digest) => FillTransfers

/** Of a process that shares its store with nobody. */
export function directTransfers(source: TransferSource): OpenFillTransfers {
  return (repository, digest) => ({
    open: (range, signal) => source.openBlob(repository, digest, range, signal),
    commitTurn: () => Promise.resolve('store'),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  })
}

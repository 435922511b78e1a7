// What points at content: image-spec, "OCI Content Descriptors".
import type { Digest } from './digest.ts'

export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
}

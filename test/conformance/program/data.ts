// Content as the conformance program makes it up: blobs, manifests in the order in which they are pushed, tags, and what refers to what.
import { createHash } from 'node:crypto'
import { type DigestAlgorithm, digestOf } from '../../../src/oci/digest.ts'
import { mediaTypes } from '../../support/images.ts'
import type { Blob } from './blobs.ts'

export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly data?: string
  readonly urls?: readonly string[]
  readonly platform?: object
}

export interface Referrer extends Descriptor {
  readonly artifactType?: string | undefined
  readonly annotations: Readonly<Record<string, string>>
}

export interface PushedManifest extends Blob {
  readonly mediaType: string
  readonly subject: string | undefined
}

export interface Making {
  readonly tag?: string
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
  readonly subject?: Descriptor
  /** What manifests have besides. */
  readonly more?: Readonly<Record<string, unknown>>
}

export interface MakingImage extends Making {
  readonly config?: Descriptor
  /** Two of random bytes when not given. */
  readonly layers?: readonly Descriptor[]
}

/** One set of content; digests differ between sets and are the same in each run. */
export class DataSet {
  readonly blobs = new Map<string, Blob>()
  readonly manifests: PushedManifest[] = []
  readonly tags = new Map<string, string>()
  readonly referrers = new Map<string, Referrer[]>()
  readonly #seed: string
  readonly #algorithm: DigestAlgorithm
  readonly #hasData: boolean
  #made = 0

  constructor(
    seed: string,
    { algorithm = 'sha256', hasData = false }: { readonly algorithm?: DigestAlgorithm; readonly hasData?: boolean } = {},
  ) {
    this.#seed = seed
    this.#algorithm = algorithm
    this.#hasData = hasData
  }

  /** Bytes that no other blob has. */
  random(size: number): Buffer {
    this.#made += 1
    return createHash('shake256', { outputLength: size }).update(`${this.#seed} ${this.#made}`).digest()
  }

  blob(bytes: Buffer, mediaType = 'application/octet-stream'): Descriptor {
    const digest = digestOf(bytes, this.#algorithm)
    this.blobs.set(digest, { digest, bytes })
    return { mediaType, digest, size: bytes.length, ...(this.#hasData ? { data: bytes.toString('base64') } : {}) }
  }

  layer(mediaType: string = mediaTypes.ociLayer): Descriptor {
    return this.blob(this.random(mediaType === mediaTypes.ociLayer ? 300 : 2048), mediaType)
  }

  config(): Descriptor {
    const rootfs = { type: 'layers', diff_ids: [digestOf(this.random(32))] }
    return this.blob(Buffer.from(JSON.stringify({ author: this.#seed, architecture: 'amd64', os: 'linux', rootfs })), mediaTypes.ociConfig)
  }

  image({ config = this.config(), layers = [this.layer(), this.layer()], ...making }: MakingImage = {}): Descriptor {
    return this.#manifest(mediaTypes.ociManifest, { config, layers }, { ...making, otherType: config.mediaType })
  }

  /** An artifact with the empty config. */
  artifact(artifactType: string, { layerType = artifactType, ...making }: MakingImage & { readonly layerType?: string } = {}): Descriptor {
    const config = this.blob(Buffer.from('{}'), mediaTypes.empty)
    return this.image({ layers: [this.layer(layerType)], ...making, config, artifactType })
  }

  index(children: readonly Descriptor[], making: Making = {}): Descriptor {
    return this.#manifest(mediaTypes.ociIndex, { manifests: children }, making)
  }

  /** Two platforms, and the index of them. */
  platforms(making: Making = {}, each: (making: Making) => Descriptor = (more) => this.image(more)): Descriptor {
    const { tag: _, ...inner } = making
    const children = ['amd64', 'arm64'].map((architecture) => ({ ...each(inner), platform: { os: 'linux', architecture } }))
    return this.index(children, making)
  }

  #manifest(mediaType: string, parts: object, making: Making & { readonly otherType?: string }): Descriptor {
    const { tag, artifactType, annotations, subject, more, otherType } = making
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, artifactType, ...parts, subject, annotations, ...more }))
    const digest = digestOf(bytes, this.#algorithm)
    this.manifests.push({ digest, bytes, mediaType, subject: subject?.digest })
    if (tag !== undefined) this.tags.set(tag, digest)
    const descriptor = { mediaType, digest, size: bytes.length }
    if (subject !== undefined) {
      const referrer = { ...descriptor, artifactType: artifactType ?? otherType, annotations: annotations ?? {} }
      this.referrers.set(subject.digest, [...(this.referrers.get(subject.digest) ?? []), referrer])
    }
    return descriptor
  }
}

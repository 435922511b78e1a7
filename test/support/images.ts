// Images of every kind that Docker Hub serves, made from a seed: the same seed gives the same digests.
// They are real: Docker, containerd and podman can unpack what ociImage and dockerImage make.
import { type BlobSource, digestOf, memoryBlob } from './images/blobs.ts'
import { emptyGzipLayer, type Layer, seededLayer, zeroByteLayer } from './images/layers.ts'

export { type BlobSource, bigBlob, digestOf, memoryBlob, seededBytes, seededRandom } from './images/blobs.ts'
export { type Layer, layerOf, tarOf } from './images/layers.ts'

export const mediaTypes = {
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerForeignLayer: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  empty: 'application/vnd.oci.empty.v1+json',
  inToto: 'application/vnd.in-toto+json',
} as const

/** The full list that a mirror sends upstream, ready for an `Accept` header. */
export const acceptAll = [mediaTypes.ociIndex, mediaTypes.dockerList, mediaTypes.ociManifest, mediaTypes.dockerManifest].join(', ')

export interface Platform {
  readonly architecture: string
  readonly os: string
  readonly variant?: string
}

export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly platform?: Platform
  readonly annotations?: Readonly<Record<string, string>>
  readonly artifactType?: string
  readonly urls?: readonly string[]
}

export interface Manifest {
  readonly bytes: Buffer
  readonly mediaType: string
  readonly digest: string
}

/** A manifest with everything below it. */
export interface Image {
  readonly manifest: Manifest
  /** Config and layers of this manifest alone, by digest; empty for an index. */
  readonly blobs: ReadonlyMap<string, BlobSource>
  /** The manifests that an index names; empty for an image. */
  readonly children: readonly Image[]
  readonly platform?: Platform
  /** Annotations that an index puts on this image's descriptor. */
  readonly annotations?: Readonly<Record<string, string>>
  /** `artifactType`, or the config's media type: what a referrers list says of it. */
  readonly artifactType?: string
  /** The digest that this manifest refers to, if it does. */
  readonly subject?: string
}

export interface ImageOptions {
  readonly seed: number | string
  /** Number of seeded layers, 1 unless told. */
  readonly layers?: number
  /** Bytes in each seeded layer, 1,000 unless told; its blob is a few hundred bytes larger. */
  readonly layerBytes?: number
  /** Layers to put after the seeded ones, for instance `{ blob: await bigBlob(…), diffId: … }`. */
  readonly extraLayers?: readonly Layer[]
  readonly platform?: Platform
  /** Adds the 32-byte gzip of an empty tar as a layer. */
  readonly emptyLayer?: boolean
  /** Adds a layer of no bytes. */
  readonly zeroByteBlob?: boolean
  /** Adds a foreign layer with these urls; its blob is *not* in the image, as on Docker Hub. */
  readonly foreignUrls?: readonly string[]
  /** Fields of the config's `config` object: Cmd, Env, Labels. */
  readonly config?: Readonly<Record<string, unknown>>
  /** Makes the manifest refer to this one. */
  readonly subject?: Descriptor
  readonly artifactType?: string
}

/** Each kind of image by its media types. */
interface Dialect {
  readonly manifest: string
  readonly config: string
  readonly layer: string
  readonly foreign: string
}

const oci: Dialect = {
  manifest: mediaTypes.ociManifest,
  config: mediaTypes.ociConfig,
  layer: mediaTypes.ociLayer,
  foreign: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
}
const docker: Dialect = {
  manifest: mediaTypes.dockerManifest,
  config: mediaTypes.dockerConfig,
  layer: mediaTypes.dockerLayer,
  foreign: mediaTypes.dockerForeignLayer,
}

const linuxAmd64: Platform = { architecture: 'amd64', os: 'linux' }

/** A manifest from its JSON; three spaces of indent, as Docker writes them, so that a re-serialisation changes the digest. */
export function manifestOf(mediaType: string, content: unknown): Manifest {
  const bytes = Buffer.from(JSON.stringify(content, null, 3))
  return { bytes, mediaType, digest: digestOf(bytes) }
}

/** How an index or a referrers list names this image. */
export function descriptorOf(image: Image): Descriptor {
  return {
    mediaType: image.manifest.mediaType,
    digest: image.manifest.digest,
    size: image.manifest.bytes.length,
    ...(image.platform === undefined ? {} : { platform: image.platform }),
    ...(image.annotations === undefined ? {} : { annotations: image.annotations }),
  }
}

function layersOf(options: ImageOptions): Layer[] {
  const { seed, layers = 1, layerBytes = 1000 } = options
  const made = Array.from({ length: layers }, (_, index) => seededLayer(`${seed}.${index}`, layerBytes))
  if (options.emptyLayer === true) made.push(emptyGzipLayer())
  if (options.zeroByteBlob === true) made.push(zeroByteLayer())
  return [...made, ...(options.extraLayers ?? [])]
}

function configOf(options: ImageOptions, diffIds: readonly string[]): BlobSource {
  const config = {
    ...(options.platform ?? linuxAmd64),
    created: '2024-01-01T00:00:00Z',
    config: { Labels: { seed: String(options.seed) }, ...options.config },
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: diffIds.map((_, index) => ({ created: '2024-01-01T00:00:00Z', created_by: `layer ${index}` })),
  }
  return memoryBlob(Buffer.from(JSON.stringify(config)))
}

function imageOf(options: ImageOptions, dialect: Dialect): Image {
  const layers = layersOf(options)
  const foreign = options.foreignUrls === undefined ? undefined : seededLayer(`${options.seed}.foreign`, 500)
  const config = configOf(
    options,
    [...layers, ...(foreign === undefined ? [] : [foreign])].map((layer) => layer.diffId),
  )
  const manifest = manifestOf(dialect.manifest, {
    schemaVersion: 2,
    mediaType: dialect.manifest,
    ...(options.artifactType === undefined ? {} : { artifactType: options.artifactType }),
    config: { mediaType: dialect.config, digest: config.digest, size: config.size },
    layers: [
      ...layers.map(({ blob }) => ({ mediaType: dialect.layer, digest: blob.digest, size: blob.size })),
      ...(foreign === undefined
        ? []
        : [{ mediaType: dialect.foreign, digest: foreign.blob.digest, size: foreign.blob.size, urls: options.foreignUrls }]),
    ],
    ...(options.subject === undefined ? {} : { subject: options.subject }),
  })
  return {
    manifest,
    blobs: new Map([config, ...layers.map((layer) => layer.blob)].map((blob) => [blob.digest, blob])),
    children: [],
    platform: options.platform ?? linuxAmd64,
    ...(options.artifactType === undefined ? {} : { artifactType: options.artifactType }),
    ...(options.subject === undefined ? {} : { subject: options.subject.digest }),
  }
}

/** One image with an OCI manifest. */
export function ociImage(options: ImageOptions): Image {
  return imageOf(options, oci)
}

/** One image with a Docker schema 2 manifest. */
export function dockerImage(options: ImageOptions): Image {
  return imageOf(options, docker)
}

/** An index over the given images; `annotations` go on the index itself. */
export function indexOf(children: readonly Image[], annotations?: Readonly<Record<string, string>>): Image {
  const manifest = manifestOf(mediaTypes.ociIndex, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociIndex,
    manifests: children.map(descriptorOf),
    ...(annotations === undefined ? {} : { annotations }),
  })
  return { manifest, blobs: new Map(), children }
}

/** The attestation that BuildKit puts beside an image: platform unknown/unknown, one in-toto layer. */
export function attestationFor(image: Image, seed: number | string): Image {
  const statement = memoryBlob(Buffer.from(JSON.stringify({ _type: 'https://in-toto.io/Statement/v0.1', seed: String(seed) })))
  const config = configOf({ seed, platform: { architecture: 'unknown', os: 'unknown' } }, [statement.digest])
  const manifest = manifestOf(mediaTypes.ociManifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: { mediaType: mediaTypes.ociConfig, digest: config.digest, size: config.size },
    layers: [
      {
        mediaType: mediaTypes.inToto,
        digest: statement.digest,
        size: statement.size,
        annotations: { 'in-toto.io/predicate-type': 'https://slsa.dev/provenance/v0.2' },
      },
    ],
  })
  return {
    manifest,
    blobs: new Map([config, statement].map((blob) => [blob.digest, blob])),
    children: [],
    platform: { architecture: 'unknown', os: 'unknown' },
    annotations: {
      'vnd.docker.reference.digest': image.manifest.digest,
      'vnd.docker.reference.type': 'attestation-manifest',
    },
  }
}

export interface IndexOptions extends Omit<ImageOptions, 'platform'> {
  /** linux/amd64 and linux/arm64 (v8) unless told. */
  readonly platforms?: readonly Platform[]
  /** One attestation per platform, as official images have; true unless told (Docker lists never have them). */
  readonly attestations?: boolean
}

const usualPlatforms: readonly Platform[] = [linuxAmd64, { architecture: 'arm64', os: 'linux', variant: 'v8' }]

function platformImages(options: IndexOptions, make: (options: ImageOptions) => Image): Image[] {
  const { platforms = usualPlatforms, attestations: _, ...rest } = options
  return platforms.map((platform) => make({ ...rest, platform, seed: `${options.seed}-${platform.architecture}${platform.variant ?? ''}` }))
}

/** An OCI index as official images have: one image per platform, then one attestation for each. */
export function ociIndex(options: IndexOptions): Image {
  const images = platformImages(options, ociImage)
  const attestations =
    options.attestations === false ? [] : images.map((image, index) => attestationFor(image, `${options.seed}-att${index}`))
  return indexOf([...images, ...attestations])
}

/** A Docker manifest list with one schema 2 image per platform. */
export function dockerList(options: IndexOptions): Image {
  const children = platformImages(options, dockerImage)
  const manifest = manifestOf(mediaTypes.dockerList, {
    schemaVersion: 2,
    mediaType: mediaTypes.dockerList,
    manifests: children.map(descriptorOf),
  })
  return { manifest, blobs: new Map(), children }
}

/** An OCI index whose children are an index and an image. */
export function nestedIndex(options: IndexOptions): Image {
  return indexOf([ociIndex({ ...options, seed: `${options.seed}-inner` }), ociImage({ ...options, seed: `${options.seed}-outer` })])
}

export interface ArtifactOptions {
  readonly seed: number | string
  /** `application/vnd.example.sbom.v1+json` unless told. */
  readonly artifactType?: string
  /** Bytes of its one layer, 200 unless told. */
  readonly bytes?: number
  /** Makes it a referrer of this manifest. */
  readonly subject?: Descriptor
  readonly annotations?: Readonly<Record<string, string>>
}

/** An OCI artifact: the empty config `{}`, an artifactType, one layer of seeded bytes; with `subject` it is a referrer. */
export function artifact(options: ArtifactOptions): Image {
  const { artifactType = 'application/vnd.example.sbom.v1+json', bytes = 200 } = options
  const config = memoryBlob(Buffer.from('{}'))
  const layer = seededLayer(options.seed, bytes).blob
  const manifest = manifestOf(mediaTypes.ociManifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    artifactType,
    config: { mediaType: mediaTypes.empty, digest: config.digest, size: config.size },
    layers: [{ mediaType: mediaTypes.ociLayer, digest: layer.digest, size: layer.size }],
    ...(options.subject === undefined ? {} : { subject: options.subject }),
    ...(options.annotations === undefined ? {} : { annotations: options.annotations }),
  })
  return {
    manifest,
    blobs: new Map([config, layer].map((blob) => [blob.digest, blob])),
    children: [],
    artifactType,
    ...(options.annotations === undefined ? {} : { annotations: options.annotations }),
    ...(options.subject === undefined ? {} : { subject: options.subject.digest }),
  }
}

// The kinds of content that the conformance program pushes, lists, pulls and deletes, each by the name that its report has for it.
import { digestOf } from '../../../src/oci/digest.ts'
import { mediaTypes } from '../../support/images.ts'
import { DataSet, type Descriptor } from './data.ts'

const example1 = 'application/vnd.example.conformance.v1'
const example2 = 'application/vnd.example.conformance.v2'
const note = { 'org.example.conformance': 'a note' }

export interface Prepared {
  readonly data: DataSet
  /** Tags come as parameters of the manifest's push by digest. */
  readonly setsTagsByParameter?: boolean
  /** Digests of manifests whose bytes are others, to be refused. */
  readonly bad?: ReadonlySet<string>
}

function plain(name: string, make: (data: DataSet) => unknown): Prepared {
  const data = new DataSet(name)
  make(data)
  return { data }
}

/** Annotations for a manifest of nearly 4 MiB. */
function manyAnnotations(): Record<string, string> {
  return Object.fromEntries(Array.from({ length: 390 }, (_, index) => [`large-annotation-${index}`, 'A'.repeat(10_000)]))
}

function foreignLayer(data: DataSet, mediaType: string): Descriptor {
  const digest = digestOf(data.random(256))
  return { mediaType, digest, size: 123_456, urls: [`https://store.example.com/blobs/sha256/${digest.slice(7)}`] }
}

function withSubjects(data: DataSet): void {
  const subject = data.image({ tag: 'image' })
  data.image({ subject })
  data.artifact(example1, { subject, annotations: { ...note, 'org.example.one': '1' }, tag: 'tagged-artifact1' })
  data.artifact(example2, {
    subject,
    annotations: { ...note, 'org.example.two': '2' },
    layerType: 'application/octet-stream',
    tag: 'tagged-artifact2',
  })
}

function indexWithSubject(data: DataSet): void {
  const subject = data.platforms({ tag: 'index' })
  const making = { subject, artifactType: example1, annotations: note, tag: 'tagged-artifact' }
  data.platforms(making, (more) => data.artifact(example1, more))
}

function foreignLayers(data: DataSet): void {
  const kept = data.layer()
  const layers = [
    foreignLayer(data, 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip'),
    foreignLayer(data, 'application/vnd.oci.image.layer.nondistributable.v1.tar'),
    kept,
  ]
  data.image({ layers, tag: 'non-distributable-image' })
}

/** Tags on everything, two of them on the index. */
function tagParameters(name: string, algorithm: 'sha256' | 'sha512'): Prepared {
  const data = new DataSet(name, { algorithm })
  data.platforms({ tag: name })
  for (const [index, { digest }] of data.manifests.entries()) data.tags.set(`${name}-${index}`, digest)
  return { data, setsTagsByParameter: true }
}

function badDigest(): Prepared {
  const data = new DataSet('bad digest image')
  data.image()
  const [manifest] = data.manifests.splice(0)
  if (manifest === undefined) throw new Error('an image has a manifest')
  data.manifests.push({ ...manifest, bytes: Buffer.concat([manifest.bytes, Buffer.from('  ')]) })
  return { data, bad: new Set([manifest.digest]) }
}

function dataField(): Prepared {
  const data = new DataSet('data field', { hasData: true })
  data.image({ tag: 'data-field' })
  return { data }
}

function sha512(): Prepared {
  const data = new DataSet('sha512', { algorithm: 'sha512' })
  data.platforms()
  return { data }
}

export const sets: Readonly<Record<string, () => Prepared>> = {
  image: () => plain('image', (data) => data.image({ tag: 'image' })),
  'image uncompressed': () =>
    plain('image uncompressed', (data) =>
      data.image({ layers: [data.layer('application/vnd.oci.image.layer.v1.tar')], tag: 'image-uncompressed' }),
    ),
  'large manifest': () => plain('large manifest', (data) => data.image({ annotations: manyAnnotations(), tag: 'large-manifest' })),
  index: () => plain('index', (data) => data.platforms({ tag: 'index' })),
  'nested index': () => plain('nested index', (data) => data.index([data.platforms(), data.platforms()], { tag: 'index-of-index' })),
  'empty index': () => plain('empty index', (data) => data.index([], { tag: 'index' })),
  artifact: () => plain('artifact', (data) => data.artifact(example1, { tag: 'artifact' })),
  'artifact index': () =>
    plain('artifact index', (data) =>
      data.platforms({ artifactType: example1, tag: 'artifact-index' }, (more) => data.artifact(example1, more)),
    ),
  'artifact without layers': () =>
    plain('artifact without layers', (data) => {
      const empty = data.blob(Buffer.from('{}'), mediaTypes.empty)
      data.artifact(example1, { layers: [empty], tag: 'artifact-without-layers' })
    }),
  'artifacts with subject': () => plain('artifacts with subject', withSubjects),
  'index with subject': () => plain('index with subject', indexWithSubject),
  'missing subject': () =>
    plain('missing subject', (data) => {
      const subject = { mediaType: mediaTypes.ociManifest, digest: digestOf(Buffer.from('missing content')), size: 123 }
      data.artifact(example1, { subject, annotations: note, tag: 'tagged-artifact' })
    }),
  'data field': dataField,
  'non-distributable layers': () => plain('non-distributable layers', foreignLayers),
  'custom fields': () => plain('custom fields', (data) => data.platforms({ more: { 'org.SOMETHINGNEW': 'custom' }, tag: 'custom-fields' })),
  'no layers': () => plain('no layers', (data) => data.image({ layers: [], tag: 'no-layers' })),
  sha512,
  'tag parameters': () => tagParameters('tag-param-sha256', 'sha256'),
  'tag parameters with sha512': () => tagParameters('tag-param-sha512', 'sha512'),
  'bad digest image': badDigest,
}

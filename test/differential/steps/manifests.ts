// Manifests of every type, pushed rightly and wrongly, and pulled with every Accept and condition.
import {
  artifact,
  dockerImage,
  dockerList,
  descriptorOf,
  type Image,
  manifestOf,
  mediaTypes,
  ociImage,
  ociIndex,
} from '../../support/images.ts'
import type { Step } from '../step.ts'
import { pushImageSteps, putManifestStep } from './pushing.ts'

const repository = 'manifests/app'
const base = `/v2/${repository}/manifests`
const oci = ociImage({ seed: 'differential oci' })
const docker = dockerImage({ seed: 'differential docker' })
const index = ociIndex({ seed: 'differential index', attestations: false })
const list = dockerList({ seed: 'differential list' })
const signature = artifact({ seed: 'differential artifact', subject: descriptorOf(oci) })
const absent = ociImage({ seed: 'differential absent', layers: 2 })
const absentDocker = dockerImage({ seed: 'differential absent docker' })
const absentIndex = ociIndex({ seed: 'differential absent index', attestations: false })
const foreign = dockerImage({ seed: 'differential docker', foreignUrls: ['https://example.com/layer'] })

const undistributable = ociImage({ seed: 'differential undistributable', foreignUrls: ['https://example.com/layer'] })

const pulls: readonly (readonly [string, Image, string])[] = [
  ['OCI image', oci, 'oci'],
  ['Docker image', docker, 'docker'],
  ['OCI index', index, 'index'],
  ['Docker list', list, 'list'],
]

const accepts: readonly (readonly [string, string | undefined])[] = [
  ['nothing', undefined],
  ['anything', '*/*'],
  ['its own type', 'SELF'],
  ['all in one header', Object.values(mediaTypes).slice(0, 2).concat(mediaTypes.ociManifest, mediaTypes.ociIndex).join(', ')],
]

function pullSteps(): Step[] {
  return pulls.flatMap(([kind, image, tag]) => [
    ...accepts.map(([told, accept]) => ({
      what: `manifests: GET ${kind} by tag, accepting ${told}`,
      ask: `GET ${base}/${tag}`,
      headers: accept === undefined ? {} : { accept: accept === 'SELF' ? image.manifest.mediaType : accept },
    })),
    {
      what: `manifests: GET ${kind} by digest`,
      ask: `GET ${base}/${image.manifest.digest}`,
      headers: { accept: image.manifest.mediaType },
    },
    { what: `manifests: HEAD ${kind} by tag`, ask: `HEAD ${base}/${tag}`, headers: { accept: image.manifest.mediaType } },
    {
      what: `manifests: GET ${kind} if its digest`,
      ask: `GET ${base}/${tag}`,
      headers: { accept: image.manifest.mediaType, 'if-none-match': `"${image.manifest.digest}"` },
    },
  ])
}

const accept = { accept: mediaTypes.dockerManifest }
const conditions: readonly Step[] = [
  ['the bare digest', docker.manifest.digest],
  ['another', `"${oci.manifest.digest}"`],
  ['a list with it', `"a", "${docker.manifest.digest}"`],
  ['a star', '*'],
].map(([what, value = '']) => ({
  what: `manifests: GET if ${what}`,
  ask: `GET ${base}/docker`,
  headers: { ...accept, 'if-none-match': value },
}))

const json = (mediaType: string, content: unknown) => manifestOf(mediaType, content)
const dockerType = { 'content-type': mediaTypes.dockerManifest }
const content = JSON.parse(docker.manifest.bytes.toString()) as Record<string, unknown>

const wrong: readonly Step[] = [
  { what: 'manifests: PUT without a type', ask: `PUT ${base}/wrong`, body: docker.manifest.bytes },
  {
    what: 'manifests: PUT as JSON',
    ask: `PUT ${base}/wrong`,
    headers: { 'content-type': 'application/json' },
    body: docker.manifest.bytes,
  },
  { what: 'manifests: PUT as text', ask: `PUT ${base}/wrong`, headers: { 'content-type': 'text/plain' }, body: docker.manifest.bytes },
  {
    what: 'manifests: PUT with a parameter',
    ask: `PUT ${base}/parameter`,
    headers: { 'content-type': `${mediaTypes.dockerManifest}; charset=utf-8` },
    body: docker.manifest.bytes,
  },
  { what: 'manifests: PUT of no JSON', ask: `PUT ${base}/wrong`, headers: dockerType, body: 'hello' },
  { what: 'manifests: PUT of nothing', ask: `PUT ${base}/wrong`, headers: dockerType, body: '' },
  { what: 'manifests: PUT of an empty object', ask: `PUT ${base}/wrong`, headers: dockerType, body: '{}' },
  { what: 'manifests: PUT of a list', ask: `PUT ${base}/wrong`, headers: dockerType, body: '[]' },
  { what: 'manifests: PUT of an OCI image as a Docker one', ask: `PUT ${base}/wrong`, headers: dockerType, body: oci.manifest.bytes },
  {
    what: 'manifests: PUT of a Docker image as an OCI one',
    ask: `PUT ${base}/wrong`,
    headers: { 'content-type': mediaTypes.ociManifest },
    body: docker.manifest.bytes,
  },
  {
    what: 'manifests: PUT of an index as an image',
    ask: `PUT ${base}/wrong`,
    headers: { 'content-type': mediaTypes.ociManifest },
    body: index.manifest.bytes,
  },
  {
    what: 'manifests: PUT by the digest of another',
    ask: `PUT ${base}/${oci.manifest.digest}`,
    headers: dockerType,
    body: docker.manifest.bytes,
  },
  { what: 'manifests: PUT by a digest that is too short', ask: `PUT ${base}/sha256:abc`, headers: dockerType, body: docker.manifest.bytes },
  { what: 'manifests: PUT by a tag that is none', ask: `PUT ${base}/.tag`, headers: dockerType, body: docker.manifest.bytes },
  putManifestStep('manifests: PUT without its OCI blobs', `${base}/wrong`, absent.manifest),
  putManifestStep('manifests: PUT without its Docker blobs', `${base}/wrong`, absentDocker.manifest),
  putManifestStep('manifests: PUT without the images of an index', `${base}/wrong`, absentIndex.manifest),
  putManifestStep('manifests: PUT into a repository without its blobs', '/v2/manifests/elsewhere/manifests/wrong', docker.manifest),
  putManifestStep('manifests: PUT with a foreign layer', `${base}/foreign`, foreign.manifest),
  putManifestStep(
    'manifests: PUT of schema 1',
    `${base}/wrong`,
    json('application/vnd.docker.distribution.manifest.v1+json', { schemaVersion: 1, name: 'a', tag: 'b', fsLayers: [], history: [] }),
  ),
  putManifestStep('manifests: PUT of another schema', `${base}/wrong`, json(mediaTypes.dockerManifest, { ...content, schemaVersion: 3 })),
  putManifestStep('manifests: PUT without a config', `${base}/wrong`, json(mediaTypes.dockerManifest, { ...content, config: undefined })),
  putManifestStep(
    'manifests: PUT with a layer of no digest',
    `${base}/wrong`,
    json(mediaTypes.dockerManifest, { ...content, layers: [{ mediaType: 'a', size: 1, digest: 'b' }] }),
  ),
  putManifestStep(
    'manifests: PUT larger than 4 MiB',
    `${base}/wrong`,
    json(mediaTypes.dockerManifest, { ...content, padding: 'x'.repeat(4 * 1024 * 1024) }),
  ),
  { what: 'manifests: nothing wrong was kept', ask: `GET ${base}/wrong`, headers: accept },
]

export const manifestSteps: readonly Step[] = [
  ...(await pushImageSteps('manifests: an OCI image', repository, oci, ['oci', 'moved'])),
  ...(await pushImageSteps('manifests: a Docker image', repository, docker, ['docker'])),
  ...(await pushImageSteps('manifests: an OCI index', repository, index, ['index'])),
  ...(await pushImageSteps('manifests: a Docker list', repository, list, ['list'])),
  ...(await pushImageSteps('manifests: an artifact', repository, signature, ['signature'])),
  ...(await pushImageSteps('manifests: an OCI image with a layer elsewhere', repository, undistributable, ['undistributable'])),
  putManifestStep('manifests: a tag moves', `${base}/moved`, docker.manifest),
  { what: 'manifests: GET of a tag that moved', ask: `GET ${base}/moved`, headers: accept },
  putManifestStep('manifests: the same again', `${base}/docker`, docker.manifest),
  {
    what: 'manifests: PUT of unknown length',
    ask: `PUT ${base}/chunked`,
    headers: dockerType,
    body: docker.manifest.bytes,
    isChunked: true,
  },
  ...pullSteps(),
  ...conditions,
  ...wrong,
  { what: 'manifests: GET of an unknown tag', ask: `GET ${base}/unknown`, headers: accept },
  { what: 'manifests: HEAD of an unknown tag', ask: `HEAD ${base}/unknown`, headers: accept },
  { what: 'manifests: GET of an unknown digest', ask: `GET ${base}/${absent.manifest.digest}`, headers: accept },
  { what: 'manifests: GET from an unknown repository', ask: 'GET /v2/manifests/nowhere/manifests/latest', headers: accept },
  { what: 'manifests: a manifest is no blob', ask: `GET /v2/${repository}/blobs/${docker.manifest.digest}` },
  { what: 'manifests: a blob is no manifest', ask: `GET ${base}/${[...docker.blobs.keys()][0]}`, headers: accept },
]

// What is deleted, what goes with it, and what is there afterwards.
import { digestOf, dockerImage, mediaTypes } from '../../support/images.ts'
import type { Step } from '../step.ts'
import { pushImageSteps } from './pushing.ts'

const image = dockerImage({ seed: 'differential deletes' })
const base = '/v2/deletes/app'
const [config = ''] = image.blobs.keys()
const unknown = digestOf(Buffer.from('nobody has this'))
const headers = { accept: mediaTypes.dockerManifest }

export const deleteSteps: readonly Step[] = [
  ...(await pushImageSteps('deletes: push', 'deletes/app', image, ['one', 'two'])),
  { what: 'deletes: an unknown blob', ask: `DELETE ${base}/blobs/${unknown}` },
  { what: 'deletes: a blob by what is no digest', ask: `DELETE ${base}/blobs/sha256:abc` },
  { what: 'deletes: a blob of an unknown repository', ask: `DELETE /v2/deletes/nowhere/blobs/${unknown}` },
  { what: 'deletes: an unknown manifest', ask: `DELETE ${base}/manifests/${unknown}` },
  { what: 'deletes: an unknown tag', ask: `DELETE ${base}/manifests/unknown` },
  { what: 'deletes: a manifest of an unknown repository', ask: `DELETE /v2/deletes/nowhere/manifests/${unknown}` },
  { what: 'deletes: a blob', ask: `DELETE ${base}/blobs/${config}` },
  { what: 'deletes: GET of a deleted blob', ask: `GET ${base}/blobs/${config}` },
  { what: 'deletes: HEAD of a deleted blob', ask: `HEAD ${base}/blobs/${config}` },
  { what: 'deletes: the same blob again', ask: `DELETE ${base}/blobs/${config}` },
  { what: 'deletes: the manifest of a deleted blob', ask: `GET ${base}/manifests/one`, headers },
  { what: 'deletes: a manifest', ask: `DELETE ${base}/manifests/${image.manifest.digest}` },
  { what: 'deletes: GET of a deleted manifest', ask: `GET ${base}/manifests/${image.manifest.digest}`, headers },
  { what: 'deletes: a tag of a deleted manifest', ask: `GET ${base}/manifests/one`, headers },
  { what: 'deletes: the same manifest again', ask: `DELETE ${base}/manifests/${image.manifest.digest}` },
  { what: 'deletes: tags of a repository that lost them all', ask: `GET ${base}/tags/list` },
  ...(await pushImageSteps('deletes: push again', 'deletes/app', image, ['one'])),
  { what: 'deletes: pull what was pushed again', ask: `GET ${base}/manifests/one`, headers },
  { what: 'deletes: the catalog', ask: 'GET /v2/_catalog?n=50' },
]

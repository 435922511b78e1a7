// A registry that is read-only, over a folder that has something: it serves, and refuses each method that writes.
import { dockerImage, mediaTypes } from '../../support/images.ts'
import type { Step } from '../step.ts'
import { octets } from './pushing.ts'

export const keptImage = dockerImage({ seed: 'differential read-only' })
export const keptRepository = 'kept/app'

const base = `/v2/${keptRepository}`
const [blob = ''] = keptImage.blobs.keys()
const upload = `${base}/blobs/uploads/7f2ef1a0-1111-4111-8111-0123456789ab`

export const readOnlySteps: readonly Step[] = [
  { what: 'read-only: the version check', ask: 'GET /v2/' },
  { what: 'read-only: tags', ask: `GET ${base}/tags/list` },
  { what: 'read-only: the catalog', ask: 'GET /v2/_catalog' },
  { what: 'read-only: GET of a manifest', ask: `GET ${base}/manifests/1`, headers: { accept: mediaTypes.dockerManifest } },
  { what: 'read-only: HEAD of a manifest', ask: `HEAD ${base}/manifests/1`, headers: { accept: mediaTypes.dockerManifest } },
  { what: 'read-only: GET of a blob', ask: `GET ${base}/blobs/${blob}` },
  { what: 'read-only: HEAD of a blob', ask: `HEAD ${base}/blobs/${blob}` },
  { what: 'read-only: begin an upload', ask: `POST ${base}/blobs/uploads/` },
  { what: 'read-only: a mount', ask: `POST /v2/other/app/blobs/uploads/?mount=${blob}&from=${keptRepository}` },
  { what: 'read-only: continue an upload', ask: `PATCH ${upload}`, headers: octets, body: 'a' },
  { what: 'read-only: finish an upload', ask: `PUT ${upload}?digest=${blob}`, headers: octets, body: 'a' },
  { what: 'read-only: give up an upload', ask: `DELETE ${upload}` },
  { what: 'read-only: status of an upload', ask: `GET ${upload}` },
  {
    what: 'read-only: push a manifest',
    ask: `PUT ${base}/manifests/2`,
    headers: { 'content-type': mediaTypes.dockerManifest },
    body: keptImage.manifest.bytes,
  },
  { what: 'read-only: delete a manifest', ask: `DELETE ${base}/manifests/${keptImage.manifest.digest}` },
  { what: 'read-only: delete a tag', ask: `DELETE ${base}/manifests/1` },
  { what: 'read-only: delete a blob', ask: `DELETE ${base}/blobs/${blob}` },
  { what: 'read-only: nothing was deleted', ask: `GET ${base}/manifests/1`, headers: { accept: mediaTypes.dockerManifest } },
]

// Uploads: begun, continued in order and out of order, asked about, finished rightly and wrongly, mounted, given up.
import { digestOf, seededBytes } from '../../support/images.ts'
import type { Step } from '../step.ts'
import { octets, pushBlobSteps } from './pushing.ts'

const bytes = seededBytes('differential upload', 9000)
const digest = digestOf(bytes)
const part = (start: number, end: number) => bytes.subarray(start, end)
const begin = (what: string, keep: string): Step => ({ what: `uploads: ${what}: begin`, ask: 'POST /v2/uploads/app/blobs/uploads/', keep })
const stranger = '7f2ef1a0-1111-4111-8111-0123456789ab'
const source = seededBytes('differential mount', 500)
const unknown = digestOf(Buffer.from('unknown'))

const inParts: readonly Step[] = [
  begin('in parts', 'parts'),
  { what: 'uploads: in parts: status of an empty one', ask: 'GET {parts}' },
  { what: 'uploads: in parts: HEAD of an empty one', ask: 'HEAD {parts}' },
  { what: 'uploads: in parts: first', ask: 'PATCH {parts}', headers: octets, body: part(0, 3000), keep: 'parts' },
  { what: 'uploads: in parts: status', ask: 'GET {parts}' },
  {
    what: 'uploads: in parts: second, of unknown length',
    ask: 'PATCH {parts}',
    headers: octets,
    body: part(3000, 5000),
    isChunked: true,
    keep: 'parts',
  },
  {
    what: 'uploads: in parts: third, with Content-Range',
    ask: 'PATCH {parts}',
    headers: { ...octets, 'content-range': '5000-6999' },
    body: part(5000, 7000),
    keep: 'parts',
  },
  { what: 'uploads: in parts: without a type', ask: 'PATCH {parts}', body: part(7000, 7500), keep: 'parts' },
  { what: 'uploads: in parts: nothing', ask: 'PATCH {parts}', headers: octets, body: '', keep: 'parts' },
  { what: 'uploads: in parts: finish with the last', ask: `PUT {parts}&digest=${digest}`, headers: octets, body: part(7500, 9000) },
  { what: 'uploads: in parts: pull', ask: `GET /v2/uploads/app/blobs/${digest}` },
  { what: 'uploads: in parts: status of a finished one', ask: 'GET {parts}' },
  { what: 'uploads: in parts: finish again', ask: `PUT {parts}&digest=${digest}`, headers: octets },
  begin('one part and an empty end', 'end'),
  { what: 'uploads: one part and an empty end: all', ask: 'PATCH {end}', headers: octets, body: bytes, keep: 'end' },
  { what: 'uploads: one part and an empty end: finish', ask: `PUT {end}&digest=${digest}`, headers: { 'content-length': '0' } },
]

const wrong: readonly Step[] = [
  begin('no digest', 'nodigest'),
  { what: 'uploads: no digest: finish', ask: 'PUT {nodigest}', headers: octets, body: bytes },
  begin('bad digest', 'baddigest'),
  { what: 'uploads: bad digest: finish', ask: 'PUT {baddigest}&digest=sha256:abc', headers: octets, body: bytes },
  begin('unknown algorithm', 'algorithm'),
  {
    what: 'uploads: unknown algorithm: finish',
    ask: 'PUT {algorithm}&digest=md5:d41d8cd98f00b204e9800998ecf8427e',
    headers: octets,
    body: bytes,
  },
  begin('digest of others', 'others'),
  { what: 'uploads: digest of others: finish', ask: `PUT {others}&digest=${unknown}`, headers: octets, body: bytes },
  { what: 'uploads: digest of others: pull', ask: `GET /v2/uploads/app/blobs/${unknown}` },
  begin('another type', 'type'),
  { what: 'uploads: another type: part', ask: 'PATCH {type}', headers: { 'content-type': 'text/plain' }, body: 'text' },
  begin('out of order', 'order'),
  {
    what: 'uploads: out of order: part from the middle',
    ask: 'PATCH {order}',
    headers: { ...octets, 'content-range': '100-199' },
    body: part(100, 200),
  },
  begin('old address', 'old'),
  { what: 'uploads: old address: part', ask: 'PATCH {old}', headers: octets, body: part(0, 100) },
  { what: 'uploads: old address: the same part again', ask: 'PATCH {old}', headers: octets, body: part(0, 100) },
]

const addresses: readonly Step[] = [
  { what: 'uploads: status of an unknown one', ask: `GET /v2/uploads/app/blobs/uploads/${stranger}` },
  { what: 'uploads: part for an unknown one', ask: `PATCH /v2/uploads/app/blobs/uploads/${stranger}`, headers: octets, body: 'a' },
  { what: 'uploads: finish an unknown one', ask: `PUT /v2/uploads/app/blobs/uploads/${stranger}?digest=${digest}`, headers: octets },
  { what: 'uploads: give up an unknown one', ask: `DELETE /v2/uploads/app/blobs/uploads/${stranger}` },
  begin('addresses', 'address'),
  { what: 'uploads: a state that nobody signed', ask: `GET /v2/uploads/app/blobs/uploads/${stranger}?_state=AAAA` },
  { what: 'uploads: a state with something behind it', ask: 'GET {address}AAAA' },
  { what: 'uploads: a name that is none', ask: 'GET /v2/uploads/app/blobs/uploads/no-such-upload' },
  { what: 'uploads: give up', ask: 'DELETE {address}' },
  { what: 'uploads: give up again', ask: 'DELETE {address}' },
  { what: 'uploads: status of one given up', ask: 'GET {address}' },
]

const mounts: readonly (readonly [string, string])[] = [
  ['of another repository', `mount=${digestOf(source)}&from=uploads/source`],
  ['of another repository again', `mount=${digestOf(source)}&from=uploads/source`],
  ['of itself', `mount=${digestOf(source)}&from=uploads/target`],
  ['of a blob that is not there', `mount=${unknown}&from=uploads/source`],
  ['from a repository that is not there', `mount=${digestOf(source)}&from=uploads/nowhere`],
  ['from a name that is none', `mount=${digestOf(source)}&from=UPLOADS//source`],
  ['of a digest that is none', 'mount=sha256:abc&from=uploads/source'],
  ['without from', `mount=${digestOf(source)}`],
  ['from without mount', 'from=uploads/source'],
]

export const uploadSteps: readonly Step[] = [
  ...inParts,
  ...wrong,
  ...addresses,
  { what: 'uploads: begin without the slash', ask: 'POST /v2/uploads/app/blobs/uploads' },
  { what: 'uploads: begin with a name that is too long', ask: `POST /v2/${'a/'.repeat(127)}abc/blobs/uploads/` },
  { what: 'uploads: whole in the POST', ask: `POST /v2/uploads/whole/blobs/uploads/?digest=${digest}`, headers: octets, body: bytes },
  ...pushBlobSteps('uploads: what is mounted', 'uploads/source', source),
  ...mounts.map(([what, query]) => ({ what: `uploads: mount ${what}`, ask: `POST /v2/uploads/target/blobs/uploads/?${query}` })),
  { what: 'uploads: pull what was mounted', ask: `GET /v2/uploads/target/blobs/${digestOf(source)}` },
]

// Blobs as they are pulled: whole, by ranges, by conditions, and those that are not there.
import { digestOf, seededBytes } from '../../support/images.ts'
import type { Step } from '../step.ts'
import { pushBlobSteps } from './pushing.ts'

const bytes = seededBytes('differential blob', 70_000)
const digest = digestOf(bytes)
const path = `/v2/blobs/app/blobs/${digest}`
const small = Buffer.from('0123456789')
const smallPath = `/v2/blobs/app/blobs/${digestOf(small)}`
const nothing = Buffer.alloc(0)

const ranges: readonly string[] = [
  'bytes=0-0',
  'bytes=0-4',
  'bytes=3-',
  'bytes=-3',
  'bytes=-100',
  'bytes=9-9',
  'bytes=5-100',
  'bytes=10-',
  'bytes=10-20',
  'bytes=5-3',
  'bytes=-0',
  'bytes=a-b',
  'bytes=',
  'bytes=0-1,4-5',
  'bytes=0-1,0-1,0-1',
  'bytes= 0-4',
  'bits=0-4',
  'bytes',
]

const conditions: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
  ['the quoted digest', { 'if-none-match': `"${digest}"` }],
  ['a star', { 'if-none-match': '*' }],
  ['a weak one', { 'if-none-match': `W/"${digest}"` }],
  ['a list with it', { 'if-none-match': `"a", "${digest}"` }],
  ['another', { 'if-none-match': '"sha256:0"' }],
  ['the bare digest', { 'if-none-match': digest }],
  ['If-Match of it', { 'if-match': `"${digest}"` }],
  ['If-Match of another', { 'if-match': '"a"' }],
  ['If-Range of it', { range: 'bytes=0-99', 'if-range': `"${digest}"` }],
  ['If-Range of another', { range: 'bytes=0-99', 'if-range': '"a"' }],
  ['a range and the digest', { range: 'bytes=0-99', 'if-none-match': `"${digest}"` }],
  ['If-Modified-Since', { 'if-modified-since': 'Wed, 21 Oct 2026 07:28:00 GMT' }],
]

export const blobSteps: readonly Step[] = [
  ...pushBlobSteps('blobs: to pull', 'blobs/app', bytes),
  ...pushBlobSteps('blobs: a small one', 'blobs/app', small),
  ...pushBlobSteps('blobs: the empty one', 'blobs/app', nothing),
  { what: 'blobs: GET', ask: `GET ${path}` },
  { what: 'blobs: HEAD', ask: `HEAD ${path}` },
  { what: 'blobs: GET of the empty one', ask: `GET /v2/blobs/app/blobs/${digestOf(nothing)}` },
  { what: 'blobs: HEAD of the empty one', ask: `HEAD /v2/blobs/app/blobs/${digestOf(nothing)}` },
  { what: 'blobs: GET of one that is not there', ask: `GET /v2/blobs/app/blobs/${digestOf(Buffer.from('not there'))}` },
  { what: 'blobs: HEAD of one that is not there', ask: `HEAD /v2/blobs/app/blobs/${digestOf(Buffer.from('not there'))}` },
  { what: 'blobs: GET from another repository', ask: `GET /v2/blobs/other/blobs/${digest}` },
  ...ranges.map((range) => ({ what: `blobs: GET ${range}`, ask: `GET ${smallPath}`, headers: { range } })),
  ...['bytes=0-4', 'bytes=10-', 'bytes=-3'].map((range) => ({
    what: `blobs: HEAD ${range}`,
    ask: `HEAD ${smallPath}`,
    headers: { range },
  })),
  { what: 'blobs: a range of the empty one', ask: `GET /v2/blobs/app/blobs/${digestOf(nothing)}`, headers: { range: 'bytes=0-' } },
  { what: 'blobs: a range over several buffers', ask: `GET ${path}`, headers: { range: 'bytes=1-69998' } },
  ...conditions.map(([what, headers]) => ({ what: `blobs: GET if ${what}`, ask: `GET ${path}`, headers })),
  { what: 'blobs: HEAD if the quoted digest', ask: `HEAD ${path}`, headers: { 'if-none-match': `"${digest}"` } },
]

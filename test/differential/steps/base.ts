// The version check, the probe of load balancers, what no route matches, methods that a route does not take, names and digests.
import { digestOf } from '../../support/images.ts'
import type { Step } from '../step.ts'

const digest = digestOf(Buffer.from('base'))
const longName = `${'a/'.repeat(127)}ab`

const paths: readonly (readonly [string, string])[] = [
  ['the version check', '/v2/'],
  ['the version check without its slash', '/v2'],
  ['the probe', '/'],
  ['nothing', '/nothing'],
  ['another version', '/v3/'],
  ['a repository alone', '/v2/team/app'],
  ['tags without list', '/v2/team/app/tags'],
  ['tags of nothing', '/v2/tags/list'],
  ['manifests without a reference', '/v2/team/app/manifests/'],
  ['blobs without a digest', '/v2/team/app/blobs/'],
  ['a blob by a word', '/v2/team/app/blobs/foo'],
  ['a blob by a digest that is too short', '/v2/team/app/blobs/sha256:abc'],
  ['a blob by a digest that is no hex', `/v2/team/app/blobs/sha256:${'z'.repeat(64)}`],
  ['a blob by an unknown algorithm', '/v2/team/app/blobs/md5:d41d8cd98f00b204e9800998ecf8427e'],
  ['a manifest by a digest that is too short', '/v2/team/app/manifests/sha256:abc'],
  ['a tag that begins with a dot', '/v2/team/app/manifests/.hidden'],
  ['a tag that is too long', `/v2/team/app/manifests/${'t'.repeat(129)}`],
  ['a name in upper case', '/v2/team/App/tags/list'],
  ['a name whose first part is in upper case', '/v2/Team/app/tags/list'],
  ['a name with two dots in a row', '/v2/te..am/app/tags/list'],
  ['a name with a dash at its end', '/v2/team-/app/tags/list'],
  ['a name with an underscore at its start', '/v2/_team/app/tags/list'],
  ['a name of 256 characters', `/v2/${longName}/tags/list`],
  ['a name of 257 characters and a blob', `/v2/${longName}b/blobs/${digest}`],
]

const refused: readonly (readonly [string, string])[] = [
  ['POST', '/v2/_catalog'],
  ['POST', '/v2/team/app/tags/list'],
  ['PUT', '/v2/team/app/tags/list'],
  ['POST', '/v2/team/app/manifests/latest'],
  ['PATCH', '/v2/team/app/manifests/latest'],
  ['POST', `/v2/team/app/blobs/${digest}`],
  ['PUT', `/v2/team/app/blobs/${digest}`],
  ['PATCH', `/v2/team/app/blobs/${digest}`],
  ['GET', '/v2/team/app/blobs/uploads/'],
  ['PUT', '/v2/team/app/blobs/uploads/'],
  ['DELETE', '/v2/team/app/blobs/uploads/'],
  ['POST', '/v2/team/app/blobs/uploads/7f2ef1a0-1111-4111-8111-0123456789ab'],
]

export const baseSteps: readonly Step[] = [
  ...paths.map(([what, path]) => ({ what: `base: ${what}`, ask: `GET ${path}` })),
  { what: 'base: HEAD of the version check', ask: 'HEAD /v2/' },
  { what: 'base: HEAD of the probe', ask: 'HEAD /' },
  { what: 'base: the version check with a query', ask: 'GET /v2/?a=b' },
  ...refused.map(([method, path]) => ({
    what: `base: refused ${method} ${path.replace(/sha256:.*/, 'DIGEST')}`,
    ask: `${method} ${path}`,
  })),
]

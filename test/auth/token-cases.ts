// Requests with tokens of every kind, good and bad: what distribution makes of each is what we make of it.
import { claimsOf, encoded, type Keyring, now, tokenOf } from './signing.ts'

export interface TokenCase {
  readonly what: string
  readonly ask: string
  /** The whole value of Authorization. */
  readonly authorization?: string
}

const manifest = 'GET /v2/team/app/manifests/1'
const push = 'POST /v2/team/app/blobs/uploads/'
const digest = `sha256:${'ab'.repeat(32)}`
const mount = `POST /v2/team/app/blobs/uploads/?mount=${digest}&from=other/app`
const both = [{ type: 'repository', name: 'team/app', actions: ['pull', 'push'] }]
const pull = [{ type: 'repository', name: 'team/app', actions: ['pull'] }]
const pullOther = { type: 'repository', name: 'other/app', actions: ['pull'] }
const catalog = { type: 'registry', name: 'catalog', actions: ['*'] }

export function tokenCases(keys: Keyring): readonly TokenCase[] {
  return [...challenges(), ...grantCases(keys), ...claimCases(keys), ...keyCases(keys), ...forgeries(keys)]
}

function challenges(): TokenCase[] {
  const asked = [
    'GET /v2/',
    manifest,
    push,
    mount,
    'DELETE /v2/team/app/manifests/1',
    'GET /v2/_catalog',
    'GET /v2/team/app/tags/list',
    'HEAD /v2/a/blobs/' + digest,
  ]
  return [
    ...asked.map((ask) => ({ what: `no token: ${ask}`, ask })),
    { what: 'Basic in place of a token', ask: manifest, authorization: 'Basic YTpi' },
    { what: 'Bearer and nothing', ask: manifest, authorization: 'Bearer' },
    { what: 'Bearer and two words', ask: manifest, authorization: 'Bearer a b' },
  ]
}

function grantCases({ ec }: Keyring): TokenCase[] {
  const cases: [string, string, object][] = [
    ['pull for a manifest', manifest, claimsOf(pull)],
    ['pull for a push', push, claimsOf(pull)],
    ['pull and push for a push', push, claimsOf(both)],
    ['push alone for a push', push, claimsOf([{ type: 'repository', name: 'team/app', actions: ['push'] }])],
    ['a star of actions', push, claimsOf([{ type: 'repository', name: 'team/app', actions: ['*'] }])],
    ['another repository', manifest, claimsOf([pullOther])],
    ['a repository that begins alike', manifest, claimsOf([{ type: 'repository', name: 'team', actions: ['pull'] }])],
    ['another type', manifest, claimsOf([{ type: 'registry', name: 'team/app', actions: ['pull'] }])],
    ['several scopes', manifest, claimsOf([pullOther, ...pull])],
    ['one repository twice', push, claimsOf([...pull, { type: 'repository', name: 'team/app', actions: ['push'] }])],
    ['a mount with both', mount, claimsOf([...both, pullOther])],
    ['a mount without the other', mount, claimsOf(both)],
    ['delete without', 'DELETE /v2/team/app/manifests/' + digest, claimsOf(both)],
    ['delete with', 'DELETE /v2/team/app/manifests/' + digest, claimsOf([{ type: 'repository', name: 'team/app', actions: ['delete'] }])],
    ['the catalog with', 'GET /v2/_catalog', claimsOf([catalog])],
    ['the catalog without', 'GET /v2/_catalog', claimsOf(both)],
    ['the ping with anything', 'GET /v2/', claimsOf([])],
    ['no access at all', manifest, claimsOf([], { access: undefined })],
    ['null for access', 'GET /v2/', claimsOf([], { access: null })],
    ['null for actions', manifest, claimsOf([], { access: [{ type: 'repository', name: 'team/app', actions: null }] })],
    ['access that is no list', 'GET /v2/', claimsOf([], { access: { type: 'repository' } })],
    ['no subject', manifest, claimsOf(pull, { sub: '' })],
  ]
  return cases.map(([what, ask, claims]) => ({ what, ask, authorization: `Bearer ${tokenOf(ec, claims)}` }))
}

function claimCases({ ec }: Keyring): TokenCase[] {
  const cases: [string, object | string][] = [
    ['expired', claimsOf(pull, { exp: now() - 100 })],
    ['expired within the leeway', claimsOf(pull, { exp: now() - 30 })],
    ['in the future', claimsOf(pull, { nbf: now() + 100 })],
    ['in the future within the leeway', claimsOf(pull, { nbf: now() + 30 })],
    ['without an end', claimsOf(pull, { exp: undefined })],
    ['without a beginning', claimsOf(pull, { nbf: undefined })],
    ['an end in words', claimsOf(pull, { exp: 'never' })],
    ['of another issuer', claimsOf(pull, { iss: 'somebody' })],
    ['of no issuer', claimsOf(pull, { iss: undefined })],
    ['for another service', claimsOf(pull, { aud: 'somebody' })],
    ['for no service', claimsOf(pull, { aud: undefined })],
    ['duplicated claims, the last one good', JSON.stringify(claimsOf(pull)).replace('{', '{"iss":"somebody",')],
    ['duplicated claims, the last one bad', JSON.stringify(claimsOf(pull)).replace(/}$/, ',"iss":"somebody"}')],
    ['claims that are no object', '[]'],
    ['claims that are no JSON', 'hello'],
  ]
  return cases.map(([what, claims]) => ({ what, ask: manifest, authorization: `Bearer ${tokenOf(ec, claims)}` }))
}

function keyCases({ ec, rsa, leaf, stranger }: Keyring): TokenCase[] {
  const good = claimsOf(pull)
  const jwkOf = (signer: typeof ec) => signer.publicKey.export({ format: 'jwk' })
  const cases: [string, string][] = [
    ['an RSA key', tokenOf(rsa, good)],
    ['a chain of the root itself', tokenOf(ec, good, { x5c: [ec.certificate] })],
    ['a chain to a root', tokenOf(leaf, good, { x5c: [leaf.certificate] })],
    ['a chain with its root', tokenOf(leaf, good, { x5c: [leaf.certificate, ec.certificate] })],
    ['a chain of a stranger', tokenOf(stranger, good, { x5c: [stranger.certificate] })],
    ['a chain of a stranger with a good root behind', tokenOf(stranger, good, { x5c: [stranger.certificate, ec.certificate] })],
    ['a good chain and another key', tokenOf(stranger, good, { x5c: [leaf.certificate] })],
    ['a chain of nonsense', tokenOf(ec, good, { x5c: ['AAAA'] })],
    ['a key of a root in the header', tokenOf(ec, good, { jwk: jwkOf(ec) })],
    ['a stranger’s key in the header', tokenOf(stranger, good, { jwk: jwkOf(stranger) })],
    ['a stranger’s key with the fingerprint of ours', tokenOf(stranger, good, { jwk: jwkOf(stranger), kid: ec.fingerprint })],
    ['a key in the header with its chain', tokenOf(leaf, good, { jwk: { ...jwkOf(leaf), x5c: [leaf.certificate] } })],
    ['a key in the header with another’s chain', tokenOf(stranger, good, { jwk: { ...jwkOf(stranger), x5c: [leaf.certificate] } })],
    ['a good chain beside another key in the header', tokenOf(leaf, good, { jwk: { ...jwkOf(stranger), x5c: [leaf.certificate] } })],
    ['an unknown key id', tokenOf(ec, good, { kid: 'ABCD:EFGH' })],
    ['no key id', tokenOf(ec, good, {})],
    ['the key id of another', tokenOf(ec, good, { kid: rsa.fingerprint })],
    ['a stranger with our key id', tokenOf(stranger, good, { kid: ec.fingerprint })],
  ]
  return cases.map(([what, token]) => ({ what, ask: manifest, authorization: `Bearer ${token}` }))
}

function forgeries({ ec, rsa }: Keyring): TokenCase[] {
  const good = claimsOf(pull)
  const whole = tokenOf(ec, good)
  const [header = '', payload = '', signature = ''] = whole.split('.')
  const cases: [string, string][] = [
    ['alg none', tokenOf(ec, good, { alg: 'none', kid: ec.fingerprint })],
    ['alg NoNe', tokenOf(ec, good, { alg: 'NoNe', kid: ec.fingerprint })],
    ['HS256 by the public key', tokenOf(rsa, good, { alg: 'HS256', kid: rsa.fingerprint })],
    ['ES256 said of an RSA key', tokenOf(rsa, good, { alg: 'ES256', kid: rsa.fingerprint })],
    ['no signature', `${header}.${payload}.`],
    ['two parts', `${header}.${payload}`],
    ['four parts', `${whole}.${signature}`],
    ['claims exchanged', `${header}.${encoded(JSON.stringify(claimsOf(both)))}.${signature}`],
    ['not a token', 'hello'],
    ['dots', '..'],
    ['a header that is no JSON', `${encoded('hello')}.${payload}.${signature}`],
    ['a huge one', 'a'.repeat(20_000)],
  ]
  return cases.map(([what, token]) => ({ what, ask: manifest, authorization: `Bearer ${token}` }))
}

// Keys, certificates and tokens as a token server has them, and as an attacker would like to have them.
import { createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { libtrustFingerprint } from '../../src/auth/key-names.ts'
import { runProgram } from '../support/servers/program.ts'

export const service = 'registry.test'
export const issuer = 'token-server.test'

export interface Signer {
  readonly key: KeyObject
  readonly publicKey: KeyObject
  readonly algorithm: 'ES256' | 'RS256'
  /** Base64 of DER, as `x5c` has it. */
  readonly certificate: string
  readonly fingerprint: string
}

export interface Keyring extends AsyncDisposable {
  readonly folder: string
  /** PEM with the certificates of `ec` and `rsa`. */
  readonly bundle: string
  readonly ec: Signer
  readonly rsa: Signer
  /** Its certificate is signed by `ec`. */
  readonly leaf: Signer
  /** Of nobody. */
  readonly stranger: Signer
}

export async function makeKeyring(): Promise<Keyring> {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-keys-'))
  const at = (name: string) => join(folder, name)
  const openssl = (...args: string[]) => runProgram('openssl', args)
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
  const selfSigned = async (name: string, kind: readonly string[]) =>
    openssl(
      'req',
      '-x509',
      ...kind,
      '-nodes',
      '-keyout',
      at(`${name}.key`),
      '-out',
      at(`${name}.crt`),
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
    )
  await selfSigned('ec', ec)
  await selfSigned('rsa', ['-newkey', 'rsa:2048'])
  await selfSigned('stranger', ec)
  await openssl('req', '-new', ...ec, '-nodes', '-keyout', at('leaf.key'), '-out', at('leaf.csr'), '-subj', '/CN=leaf')
  await openssl(
    'x509',
    '-req',
    '-in',
    at('leaf.csr'),
    '-CA',
    at('ec.crt'),
    '-CAkey',
    at('ec.key'),
    '-set_serial',
    '7',
    '-days',
    '2',
    '-out',
    at('leaf.crt'),
  )
  const bundle = at('bundle.pem')
  await runProgram('sh', ['-c', `cat ${at('ec.crt')} ${at('rsa.crt')} > ${bundle}`])
  const signer = async (name: string): Promise<Signer> => {
    const key = createPrivateKey(await readFile(at(`${name}.key`)))
    const pem = await readFile(at(`${name}.crt`), 'utf8')
    const publicKey = createPublicKey(key)
    const algorithm = key.asymmetricKeyType === 'rsa' ? 'RS256' : 'ES256'
    return { key, publicKey, algorithm, certificate: pem.replace(/-----[^-]+-----|\s/g, ''), fingerprint: libtrustFingerprint(publicKey) }
  }
  const [one, two, three, four] = await Promise.all(['ec', 'rsa', 'leaf', 'stranger'].map(signer))
  if (one === undefined || two === undefined || three === undefined || four === undefined) throw new Error('four keys')
  const dispose = () => rm(folder, { recursive: true, force: true })
  return { folder, bundle, ec: one, rsa: two, leaf: three, stranger: four, [Symbol.asyncDispose]: dispose }
}

export const now = () => Math.floor(Date.now() / 1000)

export interface Granted {
  readonly type: string
  readonly name: string
  readonly actions: readonly string[]
}

/** Claims that are good, but for what `more` says; `undefined` takes one out. */
export function claimsOf(access: readonly Granted[], more: Readonly<Record<string, unknown>> = {}): object {
  return { iss: issuer, sub: 'alice', aud: service, nbf: now() - 10, iat: now() - 10, exp: now() + 300, jti: 'x', access, ...more }
}

export function tokenOf(
  signer: Signer,
  claims: object | string,
  header: Readonly<Record<string, unknown>> = { kid: signer.fingerprint },
): string {
  const full: { alg: string } & Record<string, unknown> = { typ: 'JWT', alg: signer.algorithm, ...header }
  const input = `${encoded(JSON.stringify(full))}.${encoded(typeof claims === 'string' ? claims : JSON.stringify(claims))}`
  return `${input}.${signatureOf(signer, full.alg, input)}`
}

function signatureOf(signer: Signer, algorithm: string, input: string): string {
  if (algorithm.toLowerCase() === 'none') return ''
  if (algorithm === 'HS256') {
    // The confusion: the public key, which everybody has, taken for a shared secret.
    const secret = signer.publicKey.export({ type: 'spki', format: 'pem' })
    return createHmac('sha256', secret).update(input).digest('base64url')
  }
  return sign('sha256', Buffer.from(input), { key: signer.key, dsaEncoding: 'ieee-p1363' }).toString('base64url')
}

export function encoded(text: string): string {
  return Buffer.from(text).toString('base64url')
}

export function weakRsa(): KeyObject {
  return generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey
}

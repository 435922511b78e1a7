// A token server of our own for other people's registries (distribution's "token" access control), so that a registry
// that is not ours and not our stand-in can play an upstream that wants Bearer tokens, as Docker Hub does.
import { createHash, createPublicKey, randomUUID, sign, type KeyObject, createPrivateKey } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { removeServerFolder, serverFolder } from './process.ts'
import { runProgram } from './program.ts'

export interface TokenServerOptions {
  /** May push and pull everything; everybody else, named or not, may pull. */
  publisher: { user: string; password: string }
  tokenLifeSeconds?: number
}

export interface TokenServer extends AsyncDisposable {
  /** The realm. */
  readonly url: string
  readonly service: string
  readonly issuer: string
  /** A PEM file with the certificate of the signing key. */
  readonly certificateFile: string
  /** The scopes asked for, one entry per token request. */
  readonly requests: readonly string[]
}

interface Access {
  type: string
  name: string
  actions: string[]
}

const SERVICE = 'registry.test'
const ISSUER = 'token-server.test'

export async function startTokenServer(options: TokenServerOptions): Promise<TokenServer> {
  const folder = await serverFolder('token')
  const { certificateFile, key } = await makeKey(folder)
  const requests: string[] = []
  const server = createServer((request, response) => {
    // Who asks by POST (OAuth 2) falls back to GET.
    if (request.method !== 'GET') return answer(response, 405, {})
    const url = new URL(request.url ?? '/', 'http://token-server')
    const scopes = url.searchParams.getAll('scope').flatMap((scope) => scope.split(' '))
    requests.push(scopes.join(' '))
    const isPublisher = userOf(request) === `${options.publisher.user}:${options.publisher.password}`
    if (request.headers.authorization !== undefined && !isPublisher)
      return answer(response, 401, { details: 'incorrect username or password' })
    const lifeSeconds = options.tokenLifeSeconds ?? 300
    const token = signedToken(key, grantedAccess(scopes, isPublisher), lifeSeconds)
    answer(response, 200, { token, access_token: token, expires_in: lifeSeconds, issued_at: new Date().toISOString() })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the token server has no port')
  return {
    url: `http://127.0.0.1:${address.port}/token`,
    service: SERVICE,
    issuer: ISSUER,
    certificateFile,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
      await removeServerFolder(folder)
    },
  }
}

async function makeKey(folder: string): Promise<{ certificateFile: string; key: KeyObject }> {
  const [keyFile, certificateFile] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  await runProgram('openssl', [
    'req',
    '-x509',
    ...curve,
    '-keyout',
    keyFile,
    '-out',
    certificateFile,
    '-days',
    '2',
    '-subj',
    '/CN=token-server',
  ])
  return { certificateFile, key: createPrivateKey(await readFile(keyFile)) }
}

/** distribution's docs, "Token Authentication Specification": a scope is `type:name:action,action`. */
function grantedAccess(scopes: readonly string[], isPublisher: boolean): Access[] {
  return scopes.flatMap((scope) => {
    const [, type = '', name = '', actions = ''] = /^([^:]+):(.+):([^:]*)$/.exec(scope) ?? []
    const granted = actions.split(',').filter((action) => action === 'pull' || isPublisher)
    return type === '' ? [] : [{ type, name, actions: granted }]
  })
}

function signedToken(key: KeyObject, access: readonly Access[], lifeSeconds: number): string {
  const now = Math.floor(Date.now() / 1000)
  const header = { typ: 'JWT', alg: 'ES256', kid: libtrustKeyId(key) }
  const claims = { iss: ISSUER, sub: '', aud: SERVICE, nbf: now - 10, iat: now, exp: now + lifeSeconds, jti: randomUUID(), access }
  const payload = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  // JWS (RFC 7518, 3.4) wants R and S side by side, not the DER form that is the default.
  const signature = sign('sha256', Buffer.from(payload), { key, dsaEncoding: 'ieee-p1363' })
  return `${payload}.${signature.toString('base64url')}`
}

/** How registry 2.x names a key: the first 240 bits of the hash of its public half, base32 in groups of four. */
function libtrustKeyId(key: KeyObject): string {
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' })
  const bits = createHash('sha256').update(publicKey).digest().subarray(0, 30)
  return (base32(bits).match(/.{4}/g) ?? []).join(':')
}

/** RFC 4648, section 6, for lengths that need no padding. */
function base32(bytes: Uint8Array): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('')
  return (bits.match(/.{5}/g) ?? []).map((group) => alphabet[Number.parseInt(group, 2)]).join('')
}

function userOf(request: IncomingMessage): string | undefined {
  const match = /^Basic (.+)$/.exec(request.headers.authorization ?? '')
  return match?.[1] === undefined ? undefined : Buffer.from(match[1], 'base64').toString()
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

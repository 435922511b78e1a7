// How TLS is spoken, whatever the certificate: versions, cipher suites, and what a client has to show.
import { readFileSync } from 'node:fs'
import type { TlsOptions, TLSSocket } from 'node:tls'
import { opensslCiphers } from '../lib/cipher-suites.ts'

export type ClientAuth =
  | 'request-client-cert'
  | 'require-any-client-cert'
  | 'verify-client-cert-if-given'
  | 'require-and-verify-client-cert'

export interface HandshakeSettings {
  readonly minimumtls: 'tls1.0' | 'tls1.1' | 'tls1.2' | 'tls1.3'
  /** Go's names. */
  readonly ciphersuites: readonly string[]
  /** PEM files. */
  readonly clientcas: readonly string[]
  /** `require-and-verify-client-cert` when not given and there are `clientcas`, as in distribution. */
  readonly clientauth?: ClientAuth | undefined
}

/** Throws an Error that names the configuration key when a file cannot be read. */
export function handshakeOptions(settings: HandshakeSettings): TlsOptions {
  const clientAuth = clientAuthOf(settings)
  return {
    minVersion: settings.minimumtls === 'tls1.3' ? 'TLSv1.3' : 'TLSv1.2',
    ciphers: opensslCiphers(settings.ciphersuites),
    honorCipherOrder: true,
    requestCert: clientAuth !== undefined,
    // The others are looked at after the handshake: OpenSSL knows all or nothing.
    rejectUnauthorized: clientAuth === 'require-and-verify-client-cert',
    ...(settings.clientcas.length === 0 ? {} : { ca: settings.clientcas.map((file) => readPem('http.tls.clientcas', file)) }),
  }
}

/** Whether a client whose handshake is done has shown what `clientauth` asks for. */
export function createAdmission(settings: HandshakeSettings): (socket: TLSSocket) => boolean {
  const clientAuth = clientAuthOf(settings)
  // An empty object where the client has shown none.
  const hasCertificate = (socket: TLSSocket) => Object.keys(socket.getPeerCertificate() ?? {}).length > 0
  if (clientAuth === 'require-any-client-cert') return hasCertificate
  if (clientAuth === 'verify-client-cert-if-given') return (socket) => socket.authorized || !hasCertificate(socket)
  return () => true
}

function clientAuthOf({ clientauth, clientcas }: HandshakeSettings): ClientAuth | undefined {
  return clientauth ?? (clientcas.length > 0 ? 'require-and-verify-client-cert' : undefined)
}

/** Throws an Error that names `key`. */
export function readPem(key: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Error(`${key}: cannot read ${file}`, { cause: error })
  }
}

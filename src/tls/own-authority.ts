// A certificate authority of one's own in a folder, and a server certificate by it. The authority stays when the server's certificate
// is made anew, so that no client has to be told again.
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createCertificate, newKey } from './x509.ts'

const dayMs = 24 * 60 * 60 * 1000
const authorityDays = 3650
const subject = 'entrepot certificate authority'

export interface CertificateOrder {
  readonly folder: string
  /** DNS names (a wildcard is one) and IP addresses. */
  readonly hosts: readonly string[]
  readonly days: number
  readonly now: number
}

export interface MadeFiles {
  readonly ca: string
  readonly certificate: string
  readonly key: string
  readonly notAfter: Date
  /** `false`: the authority that was in the folder has signed. */
  readonly isNewAuthority: boolean
}

/** Throws what files throw. Keys are readable by their owner only. */
export function makeCertificate({ folder, hosts, days, now }: CertificateOrder): MadeFiles {
  mkdirSync(folder, { recursive: true })
  const at = (name: string) => join(folder, name)
  const notBefore = new Date(now - dayMs)
  const known = readAuthority(at('ca.crt'), at('ca.key'), now + days * dayMs)
  const authorityKey = known?.key ?? newKey()
  const issuer = { subject, key: authorityKey }
  const ca =
    known?.certificate ??
    createCertificate({
      subject,
      notBefore,
      notAfter: new Date(now + authorityDays * dayMs),
      publicKey: createPublicKey(authorityKey),
      issuer,
      hosts: undefined,
    })
  const key = newKey()
  // The day before now counts, too.
  const notAfter = new Date(notBefore.getTime() + days * dayMs)
  const certificate = createCertificate({
    subject: hosts[0]?.slice(0, 64) ?? '',
    notBefore,
    notAfter,
    publicKey: createPublicKey(key),
    issuer,
    hosts,
  })
  if (known === undefined) {
    put(at('ca.key'), pemOf(authorityKey), 0o600)
    put(at('ca.crt'), ca, 0o644)
  }
  put(at('domain.key'), pemOf(key), 0o600)
  put(at('domain.crt'), certificate + ca, 0o644)
  return { ca: at('ca.crt'), certificate: at('domain.crt'), key: at('domain.key'), notAfter, isNewAuthority: known === undefined }
}

/** `undefined`: there is none, or it ends too soon. */
function readAuthority(file: string, keyFile: string, untilMs: number): { certificate: string; key: KeyObject } | undefined {
  try {
    const certificate = readFileSync(file, 'utf8')
    const key = createPrivateKey(readFileSync(keyFile))
    const parsed = new X509Certificate(certificate)
    const isOurs = parsed.checkPrivateKey(key) && parsed.subject === `CN=${subject}`
    return isOurs && Date.parse(parsed.validTo) > untilMs ? { certificate, key } : undefined
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw new Error(`cannot use ${file} and ${keyFile}`, { cause: error })
  }
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string
}

/** Whole or not at all: a server may be watching. */
function put(file: string, text: string, mode: number): void {
  writeFileSync(`${file}.new`, text, { mode })
  renameSync(`${file}.new`, file)
}

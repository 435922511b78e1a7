// Whether a chain of certificates ends at one that is trusted (RFC 5280, section 6.1, without names and policies: these sign tokens).
import { X509Certificate } from 'node:crypto'

const maxLength = 10

/** `chain`: the signer's own first, then whoever vouches, in any order. */
export function isTrustedChain(chain: readonly X509Certificate[], roots: readonly X509Certificate[], now: number): boolean {
  const [leaf, ...others] = chain
  if (leaf === undefined || chain.length > maxLength || !isValidAt(leaf, now)) return false
  if (roots.some((root) => root.raw.equals(leaf.raw))) return true
  return isVouchedFor(leaf, { roots, others, now, depth: 0 })
}

interface Search {
  readonly roots: readonly X509Certificate[]
  readonly others: readonly X509Certificate[]
  readonly now: number
  readonly depth: number
}

function isVouchedFor(certificate: X509Certificate, search: Search): boolean {
  const { roots, others, now, depth } = search
  const vouches = (issuer: X509Certificate) =>
    issuer.ca && isValidAt(issuer, now) && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
  if (roots.some(vouches)) return true
  if (depth >= maxLength) return false
  return others.some((issuer) => {
    if (!vouches(issuer)) return false
    return isVouchedFor(issuer, { ...search, others: others.filter((other) => other !== issuer), depth: depth + 1 })
  })
}

function isValidAt({ validFromDate, validToDate }: X509Certificate, now: number): boolean {
  return validFromDate.getTime() <= now && now <= validToDate.getTime()
}

/** The certificates of a PEM file, in order. Throws Errors for one that is broken, and for none. */
export function parseCertificates(text: string): X509Certificate[] {
  const found = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (found.length === 0) throw new Error('no certificate in it')
  return found.map((pem) => new X509Certificate(pem))
}

// What a type cannot tell of `http.tls`: what belongs together, and which cipher suites there are.
import { cipherSuiteKind, cipherSuiteNames } from '../lib/cipher-suites.ts'
import type { Findings } from './problems.ts'
import type { Config } from './schema.ts'

type Tls = NonNullable<Config['http']['tls']>

export function checkTls(tls: Tls, findings: Findings): void {
  checkSources(tls, findings)
  checkCipherSuites(tls, findings)
  if (tls.minimumtls === 'tls1.0' || tls.minimumtls === 'tls1.1') {
    const message = `${tls.minimumtls} is not offered any more, as in distribution 3; tls1.2 is the least`
    findings.warn('odd', ['http', 'tls', 'minimumtls'], message)
  }
}

function checkSources({ certificate, key, letsencrypt, ...others }: Tls, findings: Findings): void {
  if ((certificate === undefined) !== (key === undefined)) {
    findings.error(['http', 'tls'], 'certificate and key must be given together')
  }
  if (letsencrypt === undefined) {
    if (certificate === undefined && (others.clientcas.length > 0 || others.ciphersuites.length > 0)) {
      findings.warn('odd', ['http', 'tls'], 'without certificate and key, or letsencrypt, the port speaks plain HTTP')
    }
    return
  }
  if (certificate !== undefined) findings.error(['http', 'tls', 'letsencrypt'], 'cannot be combined with http.tls.certificate')
  if (letsencrypt.hosts.length === 0) {
    findings.error(['http', 'tls', 'letsencrypt', 'hosts'], 'missing; allowed: the names by which clients reach this server')
  }
}

function checkCipherSuites({ ciphersuites, minimumtls }: Tls, findings: Findings): void {
  for (const [at, name] of ciphersuites.entries()) {
    const path = ['http', 'tls', 'ciphersuites', at]
    const kind = cipherSuiteKind(name)
    if (kind === 'unknown') findings.error(path, `found ${JSON.stringify(name)}; allowed: ${cipherSuiteNames.join(', ')}`)
    if (kind === 'gone') findings.warn('odd', path, `${name} is not offered any more; the other suites are`)
  }
  if (ciphersuites.length > 0 && minimumtls === 'tls1.3') {
    const message = 'has no effect with tls1.3, whose suites are always offered, as in distribution'
    findings.warn('odd', ['http', 'tls', 'ciphersuites'], message)
  }
}

// The names that Go gives to cipher suites, which configuration files use, and those of OpenSSL, which Node is told.

/** Configurable up to TLS 1.2. Suites of TLS 1.3 are always offered, as by Go, and may be named. */
const ofGo: Readonly<Record<string, string>> = {
  TLS_RSA_WITH_AES_128_CBC_SHA: 'AES128-SHA',
  TLS_RSA_WITH_AES_256_CBC_SHA: 'AES256-SHA',
  TLS_RSA_WITH_AES_128_CBC_SHA256: 'AES128-SHA256',
  TLS_RSA_WITH_AES_128_GCM_SHA256: 'AES128-GCM-SHA256',
  TLS_RSA_WITH_AES_256_GCM_SHA384: 'AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: 'ECDHE-ECDSA-AES128-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: 'ECDHE-ECDSA-AES256-SHA',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: 'ECDHE-RSA-AES128-SHA',
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: 'ECDHE-RSA-AES256-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256: 'ECDHE-ECDSA-AES128-SHA256',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256: 'ECDHE-RSA-AES128-SHA256',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
}

/** The fastest on processors with AES first: the server's order decides. */
const ofTls13 = ['TLS_AES_128_GCM_SHA256', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_256_GCM_SHA384']

/** What distribution knew and no OpenSSL of today speaks. */
const gone: ReadonlySet<string> = new Set([
  'TLS_RSA_WITH_RC4_128_SHA',
  'TLS_RSA_WITH_3DES_EDE_CBC_SHA',
  'TLS_ECDHE_ECDSA_WITH_RC4_128_SHA',
  'TLS_ECDHE_RSA_WITH_RC4_128_SHA',
  'TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA',
])

export const cipherSuiteNames: readonly string[] = [...Object.keys(ofGo), ...ofTls13]

export function cipherSuiteKind(name: string): 'known' | 'gone' | 'unknown' {
  if (Object.hasOwn(ofGo, name) || ofTls13.includes(name)) return 'known'
  return gone.has(name) ? 'gone' : 'unknown'
}

/** OpenSSL's list for these Go names; for none, what Go offers by itself: forward secrecy and authenticated encryption only. */
export function opensslCiphers(names: readonly string[]): string {
  const chosen = names.flatMap((name) => (Object.hasOwn(ofGo, name) ? [ofGo[name] ?? ''] : []))
  const modern = Object.values(ofGo).filter((cipher) => cipher.startsWith('ECDHE-') && /GCM|CHACHA20/.test(cipher))
  return [...ofTls13, ...(chosen.length === 0 ? modern : chosen)].join(':')
}

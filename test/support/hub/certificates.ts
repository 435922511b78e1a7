// A test CA and a server certificate for the Hub's names, made by openssl, once per process and set of names.
import { execFile } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface Certificates {
  /** PEM file of the CA, for NODE_EXTRA_CA_CERTS, curl --cacert and the product's own setting. */
  readonly caFile: string
  readonly ca: string
  readonly key: string
  readonly certificate: string
  /** A certificate for the same names by nobody that clients know. */
  readonly untrusted: { readonly key: string; readonly certificate: string }
}

const made = new Map<string, Promise<Certificates>>()

/** Certificates for these DNS names (wildcards allowed), localhost and the loopback addresses. */
export async function certificatesFor(names: readonly string[]): Promise<Certificates> {
  const key = [...names].sort().join(',')
  const known = made.get(key) ?? make(names)
  made.set(key, known)
  return known
}

const keyOptions = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30']

async function make(names: readonly string[]): Promise<Certificates> {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-test-ca-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const at = (name: string) => join(folder, name)
  const alternatives = [...names.map((name) => `DNS:${name}`), 'DNS:localhost', 'IP:127.0.0.1', 'IP:::1'].join(',')
  writeFileSync(at('leaf.cnf'), `subjectAltName=${alternatives}\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n`)
  const authority = ['-x509', '-subj', '/CN=test CA of the stand-in Hub', '-addext', 'keyUsage=critical,keyCertSign,cRLSign']
  await run('openssl', ['req', ...keyOptions, ...authority, '-keyout', at('ca.key'), '-out', at('ca.pem')])
  await run('openssl', ['req', ...keyOptions, '-subj', '/CN=stand-in Hub', '-keyout', at('leaf.key'), '-out', at('leaf.csr')])
  const signing = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '30', '-extfile', at('leaf.cnf')]
  await run('openssl', ['x509', '-req', '-in', at('leaf.csr'), ...signing, '-out', at('leaf.pem')])
  const alone = ['-x509', '-subj', '/CN=stranger', '-addext', `subjectAltName=${alternatives}`]
  await run('openssl', ['req', ...keyOptions, ...alone, '-keyout', at('stranger.key'), '-out', at('stranger.pem')])
  const read = async (name: string) => readFile(at(name), 'utf8')
  return {
    caFile: at('ca.pem'),
    ca: await read('ca.pem'),
    key: await read('leaf.key'),
    certificate: await read('leaf.pem'),
    untrusted: { key: await read('stranger.key'), certificate: await read('stranger.pem') },
  }
}

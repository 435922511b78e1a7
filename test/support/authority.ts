// A certificate authority for one suite, made by openssl: certificates for servers and for clients, in a folder that goes with it.
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const keyOptions = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30']

export interface Issued {
  readonly certificateFile: string
  readonly keyFile: string
  readonly certificate: string
  readonly key: string
}

export interface Authority extends AsyncDisposable {
  readonly folder: string
  readonly caFile: string
  readonly ca: string
  /** For localhost, 127.0.0.1 and these DNS names; `name` is the subject and the beginning of the files' names. */
  issue(name: string, dnsNames?: readonly string[]): Promise<Issued>
}

export async function createAuthority(subject = 'test CA'): Promise<Authority> {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-ca-'))
  const at = (name: string) => join(folder, name)
  const authority = ['-x509', '-subj', `/CN=${subject}`, '-addext', 'keyUsage=critical,keyCertSign,cRLSign']
  await run('openssl', ['req', ...keyOptions, ...authority, '-keyout', at('ca.key'), '-out', at('ca.crt')])
  return {
    folder,
    caFile: at('ca.crt'),
    ca: await readFile(at('ca.crt'), 'utf8'),
    async issue(name, dnsNames = []) {
      const names = [...dnsNames.map((each) => `DNS:${each}`), 'DNS:localhost', 'IP:127.0.0.1'].join(',')
      await writeFile(at(`${name}.cnf`), `subjectAltName=${names}\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\n`)
      const [certificateFile, keyFile] = [at(`${name}.cert`), at(`${name}.key`)]
      await run('openssl', ['req', ...keyOptions, '-subj', `/CN=${name}`, '-keyout', keyFile, '-out', at(`${name}.csr`)])
      const signing = ['-CA', at('ca.crt'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '30', '-extfile', at(`${name}.cnf`)]
      await run('openssl', ['x509', '-req', '-in', at(`${name}.csr`), ...signing, '-out', certificateFile])
      const [certificate, key] = await Promise.all([readFile(certificateFile, 'utf8'), readFile(keyFile, 'utf8')])
      return { certificateFile, keyFile, certificate, key }
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

// `entrepot certificate` as a person uses it, and a server that shows what it has made.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { needsPackages } from '../support/packages.ts'
import { startRegistry } from '../support/registry.ts'
import { runProgram } from '../support/servers/program.ts'
import { ask } from '../tls/asking.ts'
import { runEntrepot } from './entrepot.ts'

const required = await needsPackages('cli/certificate', ['openssl'])

describe('entrepot certificate', required, () => {
  let folder: string
  const certs = () => join(folder, 'certs')
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'entrepot-test-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  const make = (...args: string[]) => runEntrepot(['certificate', ...args], folder)

  it('makes a certificate for names and addresses, and says where clients want its authority', async () => {
    const { stdout, code } = await make(
      '--host',
      'registry.example.com',
      '*.apps.example.com',
      '127.0.0.1',
      '--host',
      'fd00::1',
      '--port',
      '443',
    )
    assert.equal(code, 0)
    for (const place of ['docker', 'containers']) {
      assert.ok(stdout.includes(`sudo install -D -m 644 ${certs()}/ca.crt /etc/${place}/certs.d/registry.example.com/ca.crt\n`), stdout)
    }
    assert.ok(stdout.includes('[host."https://registry.example.com"]\n      ca = '))
    assert.match(stdout, /update-ca-certificates/)
    const pem = await readFile(join(certs(), 'domain.crt'), 'utf8')
    const certificate = new X509Certificate(pem)
    for (const name of ['registry.example.com', 'a.apps.example.com']) assert.equal(certificate.checkHost(name) !== undefined, true, name)
    for (const address of ['127.0.0.1', 'fd00::1']) assert.equal(certificate.checkIP(address), address)
    const days = (Date.parse(certificate.validTo) - Date.parse(certificate.validFrom)) / 86_400_000
    assert.equal(days, 825)
    const verified = await runProgram('openssl', [
      'verify',
      '-x509_strict',
      '-purpose',
      'sslserver',
      '-CAfile',
      join(certs(), 'ca.crt'),
      join(certs(), 'domain.crt'),
    ])
    assert.match(verified.stdout, /: OK/)
    assert.deepEqual(
      await Promise.all(['ca.key', 'domain.key'].map(async (name) => (await stat(join(certs(), name))).mode & 0o777)),
      [0o600, 0o600],
    )
  })

  it('the server shows it, and a client that knows the authority believes it', async () => {
    const tls = { certificate: join(certs(), 'domain.crt'), key: join(certs(), 'domain.key') }
    await using registry = await startRegistry({ config: { http: { addr: '127.0.0.1:0', tls } } })
    const ca = await readFile(join(certs(), 'ca.crt'), 'utf8')
    assert.equal((await ask(registry.port, '/v2/', { ca })).status, 200)
    await assert.rejects(ask(registry.port, '/v2/', {}))
  })

  it('made again, it has the same authority', async () => {
    const ca = await readFile(join(certs(), 'ca.crt'), 'utf8')
    const { stdout } = await make('--host', 'other.example.com', '--days', '30')
    assert.match(stdout, /as before: clients that know it need nothing new/)
    assert.equal(await readFile(join(certs(), 'ca.crt'), 'utf8'), ca)
    const certificate = new X509Certificate(await readFile(join(certs(), 'domain.crt')))
    assert.ok(certificate.checkIssued(new X509Certificate(ca)))
    assert.equal(certificate.subjectAltName, 'DNS:other.example.com')
  })

  it('says what it does not take', async () => {
    for (const [args, words] of [
      [['--host', 'https://registry'], /--host https:\/\/registry: this is neither a name nor an address/],
      [['--host', 'a', '--days', '826'], /allowed are 1 to 825/],
      [['--host', 'a', '--port', 'x'], /this is no port/],
      [[], /required option '--host <name...>' not specified/],
    ] as const) {
      const { stderr, code } = await make(...args)
      assert.match(stderr, words)
      assert.equal(code, 1)
    }
  })
})

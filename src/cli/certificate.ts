// `certificate`: makes a certificate for the server by an authority of one's own, and says where each client wants that authority.
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { makeCertificate } from '../compose/tls.ts'
import { systemClock } from '../lib/clock.ts'

export interface CertificateCommandOptions {
  readonly host: readonly string[]
  readonly out: string
  readonly days: string
  readonly port: string
}

/** What Apple's systems accept at most of an authority that a user has added. */
const maxDays = 825
const dnsName = /^(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i

/** Resolves with the exit code. */
export async function makeOwnCertificate(options: CertificateCommandOptions): Promise<number> {
  const hosts = options.host.map((host) => host.replace(/^\[(.*)\]$/, '$1'))
  const wrong = hosts.find((host) => isIP(host) === 0 && !dnsName.test(host))
  const days = Number(options.days)
  const complaint =
    wrong !== undefined
      ? `--host ${wrong}: this is neither a name nor an address`
      : !Number.isInteger(days) || days < 1 || days > maxDays
        ? `--days ${options.days}: allowed are 1 to ${maxDays}; some systems refuse a certificate that is valid for longer`
        : !/^\d{1,5}$/.test(options.port)
          ? `--port ${options.port}: this is no port`
          : undefined
  if (complaint !== undefined) {
    process.stderr.write(`${complaint}\n`)
    return 1
  }
  const made = makeCertificate({ folder: resolve(options.out), hosts, days, now: systemClock.now() })
  process.stdout.write(wordsFor(made, hosts, options.port))
  return 0
}

function wordsFor(made: ReturnType<typeof makeCertificate>, hosts: readonly string[], port: string): string {
  const places = hosts
    .filter((host) => !host.startsWith('*'))
    .map((host) => (isIP(host) === 6 ? `[${host}]` : host))
    .map((host) => (port === '443' ? host : `${host}:${port}`))
  const copies = (folder: string) => places.map((place) => `    sudo install -D -m 644 ${made.ca} ${folder}/${place}/ca.crt`)
  const [place = `registry.example.com:${port}`] = places
  return `${[
    `made for ${hosts.join(', ')}, valid until ${made.notAfter.toISOString().slice(0, 10)}`,
    `  ${made.certificate}  the certificate, with its authority behind it`,
    `  ${made.key}  its key`,
    `  ${made.ca}  the authority, for clients${made.isNewAuthority ? '' : ' (as before: clients that know it need nothing new)'}`,
    '',
    '  the server:',
    '    http:',
    `      addr: :${port}`,
    '      tls:',
    `        certificate: ${made.certificate}`,
    `        key: ${made.key}`,
    '',
    '  Docker, on each node; no restart:',
    ...copies('/etc/docker/certs.d'),
    '',
    '  podman, skopeo, buildah, CRI-O:',
    ...copies('/etc/containers/certs.d'),
    '',
    `  containerd, in /etc/containerd/certs.d/${place}/hosts.toml (as a mirror: in docker.io/hosts.toml, with this host):`,
    `    server = "https://${place}"`,
    '',
    `    [host."https://${place}"]`,
    `      ca = "${made.ca}"`,
    '',
    '  everything on a machine:',
    `    Debian, Ubuntu:  sudo cp ${made.ca} /usr/local/share/ca-certificates/entrepot.crt && sudo update-ca-certificates`,
    `    Fedora, RHEL:    sudo cp ${made.ca} /etc/pki/ca-trust/source/anchors/entrepot.crt && sudo update-ca-trust`,
    '    (then restart Docker or containerd)',
  ].join('\n')}\n`
}

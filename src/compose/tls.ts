// `http.tls` of the configuration → what the server speaks TLS with. Part of compose.
import { resolve } from 'node:path'
import type { Leases } from '../cluster/leases.ts'
import type { Config } from '../config/load.ts'
import type { TlsSide } from '../http/entrance.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../telemetry/log.ts'
import { Certificates } from '../tls/certificates.ts'
import { LetsEncrypt } from '../tls/lets-encrypt.ts'
import { createAdmission, handshakeOptions } from '../tls/handshake.ts'

export interface TlsParts {
  readonly log: Log
  readonly clock: Clock
  readonly leases: Leases
}

/** `undefined`: plain HTTP. Throws Errors that name the configuration key. */
export function openTls({ tls }: Config['http'], parts: TlsParts, building: AsyncDisposableStack): TlsSide | undefined {
  if (tls?.letsencrypt !== undefined) {
    const { email, hosts, cachefile, directoryurl } = tls.letsencrypt
    if (cachefile === undefined) parts.log.warn({}, 'http.tls.letsencrypt.cachefile is not set: each start orders new certificates')
    const folder = cachefile === undefined ? undefined : resolve(cachefile)
    const names = hosts.map((host) => host.toLowerCase())
    const handshake = handshakeOptions(tls)
    const acme = building.use(LetsEncrypt.open({ ...parts, email, hosts: names, folder, handshake, directoryUrl: directoryurl }))
    return {
      options: { ...handshake, ...acme.options },
      onRenewal: () => undefined,
      admits: createAdmission(tls),
      challenged: (hello, socket) => acme.challenged(hello, socket),
      answerToken: (token) => acme.answerToken(token),
    }
  }
  if (tls?.certificate === undefined || tls.key === undefined) return undefined
  const certificates = building.use(Certificates.open({ certificate: tls.certificate, key: tls.key }, parts))
  return {
    options: { ...handshakeOptions(tls), ...certificates.context },
    onRenewal: (listener) => certificates.onRenewal(listener),
    admits: createAdmission(tls),
  }
}

/** Over TLS unless it is switched off; without TLS only where it is switched on, as in distribution. */
export function speaksHttp2({ http2, h2c }: Config['http'], tls: TlsSide | undefined): boolean {
  return tls === undefined ? h2c.enabled : !http2.disabled
}

export { makeCertificate } from '../tls/own-authority.ts'

/** `undefined`: files are sent from here. Throws an Error that names the configuration key where there are none. */
export function accelRootOf({ http, storage }: Config): string | undefined {
  if (http.accel === 'none') return undefined
  if (storage.filesystem === undefined) throw new Error('http.accel: nginx can only send what lies in files: storage.filesystem')
  return resolve(storage.filesystem.rootdirectory)
}

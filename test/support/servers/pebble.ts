// Pebble, the ACME server that Let's Encrypt tests clients with, and a name server that knows every name as 127.0.0.1.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Agent, request } from 'node:https'
import { createAuthority } from '../authority.ts'
import { programPath } from '../packages.ts'
import { NOWHERE_ELSE, serverFolder, startServerProcess } from './process.ts'
import { freePort } from '../free-port.ts'

export interface Pebble extends AsyncDisposable {
  readonly directoryUrl: string
  /** For the ACME client; pebble's own certificate is by an authority of the test. */
  readonly agent: Agent
  /** The root of the certificates that it issues, in PEM. */
  root(): Promise<string>
  log(): string
}

export interface PebbleOptions {
  /** Where challenges are looked for. */
  readonly tlsPort: number
  readonly httpPort: number
  /** PEBBLE_WFE_NONCEREJECT and the like. */
  readonly env?: Readonly<Record<string, string>>
}

export async function startPebble({ tlsPort, httpPort, env = {} }: PebbleOptions): Promise<Pebble> {
  const parts = new AsyncDisposableStack()
  const authority = parts.use(await createAuthority('pebble'))
  const own = await authority.issue('pebble')
  const [port, managementPort, dnsPort, dnsManagementPort] = [await freePort(), await freePort(), await freePort(), await freePort()]
  const none = ['-http01', '', '-https01', '', '-tlsalpn01', '', '-defaultIPv4', '127.0.0.1', '-defaultIPv6', '']
  const addresses = ['-dns01', `127.0.0.1:${dnsPort}`, '-management', `127.0.0.1:${dnsManagementPort}`]
  parts.use(
    await startServerProcess({
      folder: await serverFolder('challtestsrv'),
      command: programPath('pebble-challtestsrv'),
      args: [...addresses, ...none],
      ready: /Starting management server|management server/i,
    }),
  )
  const folder = await serverFolder('pebble')
  const configuration = {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${managementPort}`,
    certificate: own.certificateFile,
    privateKey: own.keyFile,
    httpPort,
    tlsPort,
    ocspResponderURL: '',
    externalAccountBindingRequired: false,
  }
  await writeFile(join(folder, 'config.json'), JSON.stringify({ pebble: configuration }))
  const server = parts.use(
    await startServerProcess({
      folder,
      command: programPath('pebble'),
      args: ['-config', join(folder, 'config.json'), '-dnsserver', `127.0.0.1:${dnsPort}`],
      ready: /ACME directory available at/,
      env: { ...NOWHERE_ELSE, PEBBLE_VA_NOSLEEP: '1', ...env },
    }),
  )
  const agent = new Agent({ ca: authority.ca })
  return {
    directoryUrl: `https://127.0.0.1:${port}/dir`,
    agent,
    root: () => text(`https://127.0.0.1:${managementPort}/roots/0`, agent),
    log: () => server.stdout(),
    async [Symbol.asyncDispose]() {
      agent.destroy()
      await parts.disposeAsync()
    },
  }
}

function text(url: string, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    request(url, { agent }, (response) => {
      let all = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (all += chunk))
      response.on('end', () => resolve(all))
    })
      .on('error', reject)
      .end()
  })
}

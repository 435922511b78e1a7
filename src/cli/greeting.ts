// What a person sees when the server has started: where it listens, what it mirrors, where it keeps things, what to paste where.
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import type { Config } from '../config/load.ts'

/** `address` is the bound one: `[::]:5000`, or the path of a socket. */
export function greeting(config: Config, address: string): string {
  const { proxy, storage } = config
  const kept = storage.filesystem === undefined ? 'in memory, until it stops' : resolve(storage.filesystem.rootdirectory)
  const lines = [
    `entrepot listens on ${address}`,
    `  mirrors   ${proxy === undefined ? 'nothing: a registry of its own' : withoutUserinfo(proxy.remoteurl)}`,
    `  keeps     ${kept}`,
  ]
  return `${[...lines, ...(proxy === undefined ? [] : snippet(config, address))].join('\n')}\n\n`
}

function snippet(config: Config, address: string): string[] {
  if (config.http.net === 'unix') return []
  const url = `${config.http.tls === undefined ? 'http' : 'https'}://${reachable(address)}${config.http.prefix === '/' ? '' : config.http.prefix}`
  return [
    '',
    '  To let Docker pull through it, put this into /etc/docker/daemon.json of each node and restart Docker:',
    '',
    `    { "registry-mirrors": ["${url}"] }`,
    '',
    '  Snippets for containerd, podman, k3s and BuildKit are in the README.',
  ]
}

/** An address that others can use: every interface is shown as this machine's name. */
function reachable(address: string): string {
  const port = address.slice(address.lastIndexOf(':') + 1)
  const host = address.slice(0, -port.length - 1)
  return host === '[::]' || host === '0.0.0.0' || host === '' ? `${hostname()}:${port}` : address
}

function withoutUserinfo(url: string): string {
  const parsed = new URL(url)
  parsed.username = ''
  parsed.password = ''
  return parsed.href.replace(/\/$/, '')
}

// What a person sees when the server has started: where it listens, what it mirrors, where it keeps things, what to paste where.
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import type { Config } from '../config/load.ts'
import { registryUrlOf } from '../lib/registry-hosts.ts'

/** `address` is the bound one: `[::]:5000`, or the path of a socket. */
export function greeting(config: Config, address: string): string {
  const { proxy, storage } = config
  const kept = storage.filesystem === undefined ? 'in memory, until it stops' : resolve(storage.filesystem.rootdirectory)
  const lines = [
    `entrepot listens on ${address}`,
    ...(proxy === undefined ? ['  mirrors   nothing: a registry of its own'] : upstreamLines(proxy)),
    `  keeps     ${kept}`,
  ]
  return `${[...lines, ...(proxy === undefined ? [] : snippet(config, address))].join('\n')}\n\n`
}

type Proxy = NonNullable<Config['proxy']>

/** The main upstream, then each other one by the host that stands before its images. */
function upstreamLines(proxy: Proxy): string[] {
  const { '*': any, ...named } = proxy.upstreams
  const others = Object.entries(named).map(
    ([host, { remoteurl, mirrors }]) => `${host}, from ${urlWords(remoteurl ?? registryUrlOf(host), mirrors)}`,
  )
  const onDemand = any === undefined || any.allow.length === 0 ? [] : [`${any.allow.join(', ')}, on demand`]
  const lines = [urlWords(proxy.remoteurl, proxy.mirrors), ...others, ...onDemand]
  const offline = proxy.offline ? ['  offline   what is kept is served, and nobody is asked (proxy.offline)'] : []
  return [...lines.map((line, at) => `  ${at === 0 ? 'mirrors' : '       '}   ${line}`), ...offline]
}

function urlWords(url: string, mirrors: Proxy['mirrors']): string {
  const others = mirrors.map(({ remoteurl }) => withoutUserinfo(remoteurl))
  return others.length === 0 ? withoutUserinfo(url) : `${others.join(', ')}, then ${withoutUserinfo(url)}`
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

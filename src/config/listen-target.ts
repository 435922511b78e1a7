// `http.addr` and `http.net` as something to listen on.

export type ListenTarget = { readonly host: string | undefined; readonly port: number } | { readonly path: string }

/** `:5000` → every interface; `host:5000`; `[::1]:5000`; with net `unix` the path of a socket. The text was checked by the schema. */
export function parseListenTarget(net: 'tcp' | 'unix', address: string): ListenTarget {
  if (net === 'unix') return { path: address }
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  return { host: host === '' ? undefined : host, port: Number(address.slice(colon + 1)) }
}

/** Whether it stands for all addresses of this machine, so that nobody reaches it by that name. */
export function isEveryAddress(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

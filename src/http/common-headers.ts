// What every answer below `/v2/` says, and to whom names a registry in `ns`, that it was heard (distribution-spec, "Registry Proxying").

/** Name, value, name, value; for the query of a request. */
export type CommonHeaders = (query: string) => readonly string[]

/** A host with its port, and nothing that would end a header's line. */
const hostPattern = /^[\w.:[\]-]{1,255}$/

/** `scopesByNs`: whether content depends on `ns`. A registry that ignores it has nothing to say of it. */
export function createCommonHeaders(headers: readonly string[], scopesByNs: boolean): CommonHeaders {
  if (!scopesByNs) return () => headers
  // The same few characters come with each request of a client.
  let lastQuery = ''
  let last = headers
  return (query) => {
    if (query === lastQuery) return last
    const ns = new URLSearchParams(query).get('ns') ?? ''
    last = hostPattern.test(ns) ? [...headers, 'OCI-Namespace', ns] : headers
    lastQuery = query
    return last
  }
}

// What metrics and logs call the parts of the API: distribution's names.

export type RouteName =
  | 'base'
  | 'manifest'
  | 'tags'
  | 'catalog'
  | 'blob'
  | 'blob_upload'
  | 'blob_upload_chunk'
  | 'referrers'
  | 'search'
  | 'unknown'

const patterns: readonly (readonly [RegExp, RouteName])[] = [
  [/\/manifests\/[^/]+$/, 'manifest'],
  [/\/blobs\/uploads\/?$/, 'blob_upload'],
  [/\/blobs\/uploads\/[^/]+$/, 'blob_upload_chunk'],
  [/\/blobs\/[^/]+$/, 'blob'],
  [/\/tags\/list$/, 'tags'],
  [/\/v2\/_catalog$/, 'catalog'],
  [/\/referrers\/[^/]+$/, 'referrers'],
  [/\/v1\/(?:search|_ping)$/, 'search'],
  [/^\/$|\/v2\/?$/, 'base'],
]

/** By the path alone; cheapest for what is asked most. */
export function routeOf(path: string): RouteName {
  for (const [pattern, name] of patterns) if (pattern.test(path)) return name
  return 'unknown'
}

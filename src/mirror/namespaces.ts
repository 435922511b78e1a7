// Which registries' content an upstream stands for: containerd says in `ns` whose image it wants, and must never get another's.
import { dockerHubHosts } from '../lib/registry-hosts.ts'

/** Registries that are surely not Docker Hub. Any other host may be a mirror of it, as clients of a mirror of a mirror need it. */
const others = [
  'ghcr.io',
  'quay.io',
  'gcr.io',
  'pkg.dev',
  'registry.k8s.io',
  'mcr.microsoft.com',
  'public.ecr.aws',
  'amazonaws.com',
  'azurecr.io',
  'nvcr.io',
]

export function isDockerHub(upstream: URL): boolean {
  return dockerHubHosts.includes(upstream.hostname)
}

/** Values of `ns` that may be answered from this upstream, in lower case. */
export function namespacesOf(upstream: URL): ReadonlySet<string> {
  const isOther = others.some((host) => upstream.hostname === host || upstream.hostname.endsWith(`.${host}`))
  return new Set([...(isOther ? [] : dockerHubHosts), upstream.hostname, upstream.host])
}

// The four servers that together play Docker Hub, and the host names they go by.

/** `registry` = registry-1.docker.io, `auth` = auth.docker.io, `cdn-a` and `cdn-b` = the two blob CDNs. */
export type Part = 'registry' | 'auth' | 'cdn-a' | 'cdn-b'

export const parts: readonly Part[] = ['registry', 'auth', 'cdn-a', 'cdn-b']

/** One host name per part. */
export type HostNames = Readonly<Record<Part, string>>

export const standInNames: HostNames = {
  registry: 'registry-1.docker.hub.test',
  auth: 'auth.docker.hub.test',
  'cdn-a': 'cdn-a.docker.hub.test',
  'cdn-b': 'cdn-b.r2.hub.test',
}

/** The same parts at names that resolve to ::1. */
export const ipv6Names: HostNames = {
  registry: 'registry-1.docker.v6.hub.test',
  auth: 'auth.docker.v6.hub.test',
  'cdn-a': 'cdn-a.docker.v6.hub.test',
  'cdn-b': 'cdn-b.r2.v6.hub.test',
}

/** Docker Hub's own names, for tests of the product's default configuration through the stand-in's forward proxy. */
export const dockerHubNames: HostNames = {
  registry: 'registry-1.docker.io',
  auth: 'auth.docker.io',
  'cdn-a': 'production.cloudflare.docker.com',
  'cdn-b': 'docker-images-prod.6aa30f8b08e16409b46e0173d6de2f56.r2.cloudflarestorage.com',
}

// Which registry a name means, and the one name under which its content is kept. Pure.
//
//   asked for                                  inside, and on disk            asked of
//   nginx                 (main: Docker Hub)   library/nginx                  main     library/nginx
//   org/image   ns=ghcr.io                     ghcr.io/org/image              ghcr.io  org/image
//   ghcr.io/org/image                          ghcr.io/org/image              ghcr.io  org/image
//   localhost:5000/image                       localhost.5000/image           localhost:5000  image
//   v1.2/image            (main: reg.corp)     reg.corp/v1.2/image            main     v1.2/image
//
// Inside, a first component with a dot (or `localhost`) is a host, always: content of two registries never shares a name, also not
// after a change of the configuration. A port is spelled with a dot, because drivers refuse colons; no host ends in a number.
import { compileGlob } from '../lib/globs.ts'
import { dockerHubHosts, isPrivateName, parseRegistryHost } from '../lib/registry-hosts.ts'
import { isRegistryError } from '../oci/errors.ts'
import { parseRepositoryName, type RepositoryName, withLibrary } from '../oci/names.ts'
import { isDockerHub, namespacesOf } from './namespaces.ts'

export interface RoutingOptions {
  readonly main: URL
  /** Whether main's `nginx` means `library/nginx`. */
  readonly libraryPrefix: boolean
  /** Hosts of the other upstreams, as they stand before images: `ghcr.io`, `localhost:5000`. */
  readonly hosts: readonly string[]
  /** Globs of hosts that are asked on demand; `undefined`: none is. */
  readonly onDemand: readonly string[] | undefined
}

export interface RoutingRules {
  readonly main: MainUpstream
  readonly upstreams: ReadonlyMap<string, OtherUpstream>
  readonly isOnDemand: (host: string) => boolean
}

interface MainUpstream {
  readonly isMain: true
  /** `docker.io` for Docker Hub. */
  readonly host: string
  /** Values of `ns`, and hosts in patterns, that mean it. */
  readonly names: ReadonlySet<string>
  /** Hosts in paths that mean it: those of `names` that are not guessed. */
  readonly hosts: ReadonlySet<string>
  readonly isDockerHub: boolean
  readonly libraryPrefix: boolean
}

interface OtherUpstream {
  readonly isMain: false
  readonly host: string
  readonly libraryPrefix: boolean
}

type Upstream = MainUpstream | OtherUpstream

export function createRouting(options: RoutingOptions): RoutingRules {
  const { main, libraryPrefix, hosts, onDemand = [] } = options
  const isHub = isDockerHub(main)
  const others = hosts.map((host) => otherUpstream(host.toLowerCase()))
  const taken = new Set(others.map(({ host }) => host))
  return {
    main: {
      isMain: true,
      host: isHub ? 'docker.io' : main.host,
      names: new Set([...namespacesOf(main)].filter((name) => !taken.has(name))),
      hosts: new Set(isHub ? dockerHubHosts : [main.hostname, main.host]),
      isDockerHub: isHub,
      libraryPrefix,
    },
    upstreams: new Map(others.map((upstream) => [upstream.host, upstream])),
    isOnDemand: createOnDemand(onDemand.map((pattern) => pattern.toLowerCase())),
  }
}

/** The name under which everything behind HTTP knows the repository; `undefined`: it is of no registry that is served here. */
export function nameOf(rules: RoutingRules, ns: string | undefined, name: RepositoryName): RepositoryName | undefined {
  const inPath = splitHost(name)
  const byPath = inPath === undefined ? undefined : upstreamOf(rules, inPath.host)
  const upstream = ns === undefined ? (byPath ?? rules.main) : upstreamNamed(rules, ns.toLowerCase())
  if (upstream === undefined) return undefined
  if (byPath === undefined || inPath === undefined) return insideName(upstream, name)
  return byPath.host === upstream.host ? insideName(upstream, inPath.rest) : undefined
}

export interface Destination {
  /** `undefined`: the main upstream. */
  readonly host: string | undefined
  /** As that registry calls it. */
  readonly repository: RepositoryName
}

/** Where the content of a name of `nameOf` comes from. `undefined`: from nowhere, the name is of a registry that is not served here. */
export function destinationOf(rules: RoutingRules, name: RepositoryName): Destination | undefined {
  const inPath = splitHost(name)
  if (inPath === undefined) return { host: undefined, repository: name }
  const upstream = upstreamOf(rules, inPath.host)
  if (upstream === undefined) return undefined
  return { host: upstream.isMain ? undefined : upstream.host, repository: inPath.rest as RepositoryName }
}

/** A name of `nameOf` with each host that may stand before it: `docker.io/library/nginx`. */
export function publicNamesOf(rules: RoutingRules, name: RepositoryName): readonly string[] {
  const destination = destinationOf(rules, name)
  if (destination === undefined) return [name]
  const { host, repository } = destination
  const hosts = host === undefined ? [...rules.main.names] : [host]
  return hosts.map((each) => `${each}/${repository}`)
}

function otherUpstream(host: string): OtherUpstream {
  return { isMain: false, host, libraryPrefix: dockerHubHosts.includes(host) }
}

/** The upstream that `host`, in lower case, means where it stands before a name. */
function upstreamOf(rules: RoutingRules, host: string): Upstream | undefined {
  const known = rules.upstreams.get(host)
  if (known !== undefined) return known
  if (rules.main.hosts.has(host)) return rules.main
  return rules.isOnDemand(host) ? otherUpstream(host) : undefined
}

function upstreamNamed(rules: RoutingRules, ns: string): Upstream | undefined {
  return rules.upstreams.get(ns) ?? (rules.main.names.has(ns) ? rules.main : upstreamOf(rules, ns))
}

function insideName(upstream: Upstream, name: string): RepositoryName | undefined {
  const full = upstream.libraryPrefix ? withLibrary(name as RepositoryName) : name
  if (!upstream.isMain) return checked(`${spelled(upstream.host)}/${full}`)
  if (splitHost(full) === undefined) return checked(full)
  // Nobody on Docker Hub has a dot in his name: this is an image of a registry that is not served here.
  return upstream.isDockerHub ? undefined : checked(`${spelled(upstream.host)}/${full}`)
}

function checked(name: string): RepositoryName | undefined {
  try {
    return parseRepositoryName(name)
  } catch (error) {
    if (isRegistryError(error, 'NAME_INVALID')) return undefined
    throw error
  }
}

/** The host before a name, in both spellings of a port; `undefined` when the first component is none. */
function splitHost(name: string): { readonly host: string; readonly rest: string } | undefined {
  const slash = name.indexOf('/')
  const first = slash < 0 ? '' : name.slice(0, slash)
  if (!first.includes('.') && !first.includes(':') && first !== 'localhost') return undefined
  return { host: unspelled(first.toLowerCase()), rest: name.slice(slash + 1) }
}

function spelled(host: string): string {
  return host.replace(':', '.')
}

/** `localhost.5000` → `localhost:5000`; four numbers are an address without a port. */
function unspelled(component: string): string {
  const [whole, hostname, port] = /^(.+)\.(\d+)$/.exec(component) ?? []
  return whole === undefined || /^\d+(?:\.\d+){3}$/.test(component) ? component : `${hostname}:${port}`
}

/**
 * Private names and ports are asked only where the list has them: a name literally, a port by a pattern that has a port, too.
 * Else whoever reaches the mirror could make it knock at the doors of its own network.
 */
function createOnDemand(patterns: readonly string[]): (host: string) => boolean {
  const literal = new Set(patterns)
  const globs = patterns.map((pattern) => ({ fits: compileGlob(pattern), hasPort: pattern.includes(':') }))
  return (text) => {
    if (globs.length === 0) return false
    const host = parseRegistryHost(text)
    if (host === undefined) return false
    if (literal.has(host.host)) return true
    if (isPrivateName(host.hostname)) return false
    return globs.some(({ fits, hasPort }) => hasPort === (host.port !== undefined) && fits(host.host))
  }
}

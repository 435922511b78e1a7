// What the type of `proxy` cannot tell: hosts that are none, registries given twice, credentials that nobody gets, patterns that fit nothing.

import { dockerHubHosts, parseRegistryHost } from '../lib/registry-hosts.ts'
import { redactUrl } from './leaves.ts'
import type { ConfigPath, Findings } from './problems.ts'
import { formatPath } from './problems.ts'
import type { Config } from './schema.ts'

type Proxy = NonNullable<Config['proxy']>
type Upstream = Proxy['upstreams'][string]
type Remote = Omit<Proxy['mirrors'][number], 'remoteurl'> & { readonly remoteurl?: string | undefined }

const longestTtlMs = 24 * 3_600_000

export function checkProxy(proxy: Proxy, findings: Findings): void {
  checkRemote(proxy, ['proxy'], findings)
  checkMirrors(proxy.mirrors, ['proxy'], findings)
  checkAuthorization(proxy, findings)
  const main = new URL(proxy.remoteurl)
  const seen = new Set(dockerHubHosts.includes(main.hostname) ? dockerHubHosts : [main.host])
  for (const [host, upstream] of Object.entries(proxy.upstreams)) {
    const path = ['proxy', 'upstreams', host]
    if (host === '*') checkOnDemand(upstream, path, findings)
    else checkUpstream(host, upstream, path, findings)
    const name = host.toLowerCase()
    if (seen.has(name)) findings.error(path, `${name} is given twice: it is another upstream here, or that of proxy.remoteurl`)
    seen.add(name)
  }
  for (const list of ['allow', 'deny'] as const) {
    for (const [at, pattern] of proxy.repositories[list].entries()) {
      const words = oddPattern(pattern)
      if (words !== undefined) findings.warn('odd', ['proxy', 'repositories', list, at], words)
    }
  }
}

function checkAuthorization(
  { authorization, authorizationttl, authorizationinsecure, accounts, offline }: Proxy,
  findings: Findings,
): void {
  if (authorization === 'upstream') {
    if (offline) {
      findings.error(['proxy', 'authorization'], 'found upstream, and proxy.offline forbids to ask it; allowed with proxy.offline: shared')
    }
    if (authorizationttl > longestTtlMs) {
      findings.warn('odd', ['proxy', 'authorizationttl'], 'who loses his rights upstream goes on reading here for more than a day')
    }
    return
  }
  const idle = [...(authorizationinsecure ? ['authorizationinsecure'] : []), ...(Object.keys(accounts).length > 0 ? ['accounts'] : [])]
  for (const key of idle) findings.warn('odd', ['proxy', key], 'has no effect without proxy.authorization: upstream')
}

function checkUpstream(host: string, upstream: Upstream, path: ConfigPath, findings: Findings): void {
  if (parseRegistryHost(host) === undefined) {
    const bare = URL.canParse(host) ? new URL(host).host : ''
    const hint = bare === '' ? '' : ` (write ${bare})`
    const allowed = "a host as it stands before images, such as ghcr.io or localhost:5000, or '*'"
    // What has an @ may hold a password, so it is not repeated.
    const isSecret = host.includes('@')
    findings.error(isSecret ? path.slice(0, -1) : path, `found ${JSON.stringify(isSecret ? bare : host)}${hint}; allowed: ${allowed}`)
    return
  }
  checkRemote(upstream, path, findings)
  checkMirrors(upstream.mirrors, path, findings)
  if (upstream.allow.length > 0) findings.warn('odd', [...path, 'allow'], "has no effect here: it says which hosts '*' may stand for")
}

function checkOnDemand(any: Upstream, path: ConfigPath, findings: Findings): void {
  for (const key of ['remoteurl', 'username', 'password'] as const) {
    if (any[key] !== undefined) findings.error([...path, key], "cannot be given for '*', which stands for any host; name the host instead")
  }
  if (any.mirrors.length > 0)
    findings.error([...path, 'mirrors'], "cannot be given for '*', which stands for any host; name the host instead")
  if (any.allow.length === 0)
    findings.warn('odd', path, 'without allow no host is asked on demand; write globs of hosts, such as *.example.com')
  for (const [at, pattern] of any.allow.entries()) {
    if (pattern.includes('/')) findings.warn('odd', [...path, 'allow', at], `no host fits ${JSON.stringify(pattern)}: hosts have no slash`)
    if (/^\*+$/.test(pattern)) {
      findings.warn('odd', [...path, 'allow', at], 'whoever reaches the port can make the mirror ask any public host, and fill its disk')
    }
  }
  if (any.insecure) warnOfInsecure(path, findings)
}

function checkMirrors(mirrors: Proxy['mirrors'], path: ConfigPath, findings: Findings): void {
  for (const [at, mirror] of mirrors.entries()) checkRemote(mirror, [...path, 'mirrors', at], findings)
}

function checkRemote(remote: Remote, path: ConfigPath, findings: Findings): void {
  if (remote.remoteurl !== undefined) checkUrl(remote.remoteurl, remote, path, findings)
  if (remote.insecure) warnOfInsecure(path, findings)
  checkCredentials(remote, path, findings)
}

function checkUrl(text: string, { username }: Remote, path: ConfigPath, findings: Findings): void {
  const url = new URL(text)
  const place = [...path, 'remoteurl']
  const keys = formatPath(path)
  if (url.search !== '' || url.hash !== '') {
    findings.error(place, `found ${JSON.stringify(redactUrl(text))}; allowed: a URL without ? and #`)
  }
  if (url.username !== '' || url.password !== '') {
    findings.warn('odd', place, `a name or password in the URL is not used; write ${keys}.username and ${keys}.password`)
  }
  if (/^(www\.|hub\.|index\.|registry\.)?docker\.(io|com)$/.test(url.hostname)) {
    findings.warn('odd', place, `${url.hostname} is not the registry of Docker Hub; did you mean https://registry-1.docker.io?`)
  }
  if (username !== undefined && url.protocol === 'http:' && !isLoopback(url.hostname)) {
    findings.warn('odd', place, 'the credentials travel unencrypted, because the URL begins with http://')
  }
}

function checkCredentials({ username, password, exec }: Remote, path: ConfigPath, findings: Findings): void {
  const keys = formatPath(path)
  if (exec !== undefined) {
    const both = username !== undefined || password !== undefined
    if (both) findings.warn('odd', [...path, 'exec'], `${keys}.username and ${keys}.password have no effect, because ${keys}.exec is set`)
  } else if (password !== undefined && username === undefined) {
    findings.warn('odd', [...path, 'password'], `has no effect without ${keys}.username`)
  } else if (username !== undefined && password === undefined) {
    findings.warn('odd', [...path, 'username'], `has no effect without ${keys}.password`)
  }
}

function warnOfInsecure(path: ConfigPath, findings: Findings): void {
  findings.warn('odd', [...path, 'insecure'], `any certificate of the upstream is accepted; ${formatPath(path)}.ca is the safe way`)
}

/** Why a pattern of repositories fits nothing; `undefined` when it may fit something. */
function oddPattern(pattern: string): string | undefined {
  const slash = pattern.indexOf('/')
  const repository = pattern.slice(slash + 1)
  if (pattern.includes('://')) return 'fits nothing: write the host without https://'
  if (slash < 0 && pattern.includes('.') && parseRegistryHost(pattern) !== undefined)
    return `fits no repository; did you mean ${pattern}/**?`
  return /[:@]/.test(repository) ? 'fits nothing: patterns are about repositories, without tags and digests' : undefined
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.')
}

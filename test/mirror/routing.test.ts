import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createRouting, destinationOf, nameOf, publicNamesOf, type RoutingOptions } from '../../src/mirror/routing.ts'
import { parseRepositoryName, type RepositoryName } from '../../src/oci/names.ts'

function routing(main: string, options: Partial<RoutingOptions> = {}) {
  return createRouting({
    main: new URL(main),
    libraryPrefix: main.includes('docker.io'),
    hosts: ['ghcr.io', 'Quay.io', 'localhost:5000', '10.0.0.1:80'],
    onDemand: undefined,
    ...options,
  })
}

const hub = routing('https://registry-1.docker.io')
const own = routing('https://reg.corp:5443')

type Case = readonly [
  sentence: string,
  ns: string | undefined,
  asked: string,
  inside: string | undefined,
  host?: string | undefined,
  there?: string,
]

/** With the host (undefined: main) and the name that upstream is asked for. */
function check(rules: ReturnType<typeof routing>, cases: readonly Case[]): void {
  for (const [sentence, ns, asked, inside, host, there] of cases) {
    test(sentence, () => {
      const found = nameOf(rules, ns, parseRepositoryName(asked))
      assert.equal(found, inside)
      if (found === undefined) return
      assert.equal(parseRepositoryName(found), found)
      assert.ok(!found.includes(':'), 'drivers refuse colons')
      assert.deepEqual(destinationOf(rules, found), { host, repository: there })
    })
  }
}

describe('in front of Docker Hub', () => {
  check(hub, [
    ['a name of one component is an official image', undefined, 'nginx', 'library/nginx', undefined, 'library/nginx'],
    ['the full name stays', undefined, 'library/nginx', 'library/nginx', undefined, 'library/nginx'],
    ['a deep name stays', undefined, 'a/b/c', 'a/b/c', undefined, 'a/b/c'],
    ['a user with an underscore and digits is a user', undefined, 'user_5000/x', 'user_5000/x', undefined, 'user_5000/x'],
    ['ns may name the Hub', 'docker.io', 'nginx', 'library/nginx', undefined, 'library/nginx'],
    ['ns may name the Hub as old clients do, in any case', 'Index.Docker.IO', 'nginx', 'library/nginx', undefined, 'library/nginx'],
    ['the Hub may stand in the path', undefined, 'docker.io/library/nginx', 'library/nginx', undefined, 'library/nginx'],
    ['the Hub in the path adds library/, too', undefined, 'docker.io/nginx', 'library/nginx', undefined, 'library/nginx'],
    ['ns names another upstream', 'ghcr.io', 'org/image', 'ghcr.io/org/image', 'ghcr.io', 'org/image'],
    ['another upstream has no library/', 'ghcr.io', 'nginx', 'ghcr.io/nginx', 'ghcr.io', 'nginx'],
    ['an upstream in the path', undefined, 'ghcr.io/org/image', 'ghcr.io/org/image', 'ghcr.io', 'org/image'],
    ['an upstream in the path in another case', undefined, 'GHCR.IO/org/image', 'ghcr.io/org/image', 'ghcr.io', 'org/image'],
    ['an upstream configured in another case', undefined, 'quay.io/org/image', 'quay.io/org/image', 'quay.io', 'org/image'],
    ['ns and path may agree', 'ghcr.io', 'ghcr.io/org/image', 'ghcr.io/org/image', 'ghcr.io', 'org/image'],
    ['a port in the path', undefined, 'localhost:5000/image', 'localhost.5000/image', 'localhost:5000', 'image'],
    ['a port as it is spelled inside', undefined, 'localhost.5000/image', 'localhost.5000/image', 'localhost:5000', 'image'],
    ['a port in ns', 'localhost:5000', 'a/b', 'localhost.5000/a/b', 'localhost:5000', 'a/b'],
    ['an address with a port', '10.0.0.1:80', 'a/b', '10.0.0.1.80/a/b', '10.0.0.1:80', 'a/b'],
    ['a host below a host is a name there', 'ghcr.io', 'v1.2/image', 'ghcr.io/v1.2/image', 'ghcr.io', 'v1.2/image'],
    ['an unknown ns is nobody', 'gcr.io', 'org/image', undefined],
    ['an ns that merely begins like one is nobody', 'ghcr.io.evil', 'org/image', undefined],
    ['an unknown host in the path is nobody', undefined, 'gcr.io/org/image', undefined],
    ['an unknown host in the path is nobody with the Hub as ns, too', 'docker.io', 'gcr.io/org/image', undefined],
    ['an unknown port in the path is nobody', undefined, 'ghcr.io:444/org/image', undefined],
    ['localhost without its port is nobody', undefined, 'localhost/image', undefined],
    ['the Hub as ns contradicts an upstream in the path', 'docker.io', 'ghcr.io/org/image', undefined],
    ['an upstream as ns contradicts the Hub in the path', 'ghcr.io', 'docker.io/library/nginx', undefined],
    ['two upstreams contradict each other', 'quay.io', 'ghcr.io/org/image', undefined],
    ['a name that gets too long with its host is nobody', 'ghcr.io', `a/${'b'.repeat(250)}`, undefined],
  ])
})

describe('in front of another registry', () => {
  check(own, [
    ['names stay as they are', undefined, 'nginx', 'nginx', undefined, 'nginx'],
    ['it may be a mirror of the Hub', 'docker.io', 'library/nginx', 'library/nginx', undefined, 'library/nginx'],
    ['its own name in ns', 'reg.corp:5443', 'a/b', 'a/b', undefined, 'a/b'],
    ['its own name in the path', undefined, 'reg.corp:5443/a/b', 'a/b', undefined, 'a/b'],
    ['a component with a dot is part of the name', undefined, 'v1.2/image', 'reg.corp.5443/v1.2/image', undefined, 'v1.2/image'],
    ['so is a registry behind it', undefined, 'gcr.io/a/b', 'reg.corp.5443/gcr.io/a/b', undefined, 'gcr.io/a/b'],
    ['a configured upstream is never asked of it', undefined, 'ghcr.io/a/b', 'ghcr.io/a/b', 'ghcr.io', 'a/b'],
    ['a component that is no name is nobody', undefined, 'Foo.corp:1/a', undefined],
  ])
  check(routing('https://ghcr.io', { hosts: ['docker.io'] }), [
    [
      'Docker Hub as a further upstream has library/',
      undefined,
      'docker.io/nginx',
      'docker.io/library/nginx',
      'docker.io',
      'library/nginx',
    ],
    ['the Hub by ns is the further upstream', 'docker.io', 'a/b', 'docker.io/a/b', 'docker.io', 'a/b'],
    ['the Hub is nobody under a name that is not configured', 'index.docker.io', 'a/b', undefined],
  ])
})

describe('on demand', () => {
  const onDemand = ['*.example.com', '*.pub', '*.internal', '10.0.0.2', 'nas:5000', '*.ports.org:8443']
  check(routing('https://registry-1.docker.io', { onDemand }), [
    ['a host that fits', undefined, 'a.example.com/x/y', 'a.example.com/x/y', 'a.example.com', 'x/y'],
    ['a host that fits, by ns', 'a.example.com', 'x/y', 'a.example.com/x/y', 'a.example.com', 'x/y'],
    ['two hosts that fit contradict each other', 'a.example.com', 'b.example.com/y', undefined],
    [
      'a star stands for any depth of a domain, which has no slashes',
      undefined,
      'a.b.example.com/x',
      'a.b.example.com/x',
      'a.b.example.com',
      'x',
    ],
    ['a host that does not fit is nobody', undefined, 'example.com/x', undefined],
    ['a port needs a pattern with a port', undefined, 'a.example.com:22/x', undefined],
    ['a pattern with a port fits hosts with one', undefined, 'a.ports.org:8443/x', 'a.ports.org.8443/x', 'a.ports.org:8443', 'x'],
    ['a pattern with a port fits no other hosts', undefined, 'a.ports.org/x', undefined],
    ['no pattern with a star reaches a private name', undefined, 'metadata.google.internal/x', undefined],
    ['an address must be listed', undefined, '10.0.0.3/x', undefined],
    ['a listed address is asked', undefined, '10.0.0.2/x', '10.0.0.2/x', '10.0.0.2', 'x'],
    ['a listed name of one label is asked', undefined, 'nas:5000/x', 'nas.5000/x', 'nas:5000', 'x'],
    ['another port of it is not', undefined, 'nas:22/x', undefined],
    ['configured upstreams go first', undefined, 'ghcr.io/x/y', 'ghcr.io/x/y', 'ghcr.io', 'x/y'],
    ['Docker Hub stays the main one', undefined, 'docker.io/x/y', 'x/y', undefined, 'x/y'],
  ])
  check(routing('https://registry-1.docker.io', { onDemand: ['*'] }), [
    ['a star alone is every public host', undefined, 'a.b.c/x', 'a.b.c/x', 'a.b.c', 'x'],
    ['a star alone is no address', '127.0.0.1', 'x', undefined],
    ['a star alone is no address with a port', undefined, '127.0.0.1:22/x', undefined],
    ['a star alone is not localhost', undefined, 'localhost/x', undefined],
    ['a star alone is no name of one label', 'registry', 'x/y', undefined],
    ['a star alone is no name of mDNS', 'nas.local', 'x/y', undefined],
  ])
})

test('different registries never share a name', () => {
  const names = ['nginx', 'a/b', 'v1.2/x', 'ghcr.io/a/b', 'reg.corp:5443/v1.2/x', 'localhost:5000/a', '10.0.0.1:80/a'] as RepositoryName[]
  for (const rules of [hub, own]) {
    const meant = new Map<string, string>()
    for (const ns of [undefined, 'docker.io', 'ghcr.io', 'quay.io', 'localhost:5000', 'reg.corp:5443', '10.0.0.1:80']) {
      for (const name of names) {
        const inside = nameOf(rules, ns, name)
        if (inside === undefined) continue
        const destination = JSON.stringify(destinationOf(rules, inside))
        assert.equal(meant.get(inside) ?? destination, destination, `${ns} ${name}`)
        meant.set(inside, destination)
      }
    }
    assert.equal(new Set(meant.values()).size, meant.size)
  }
})

test('a name left over from a registry that is not configured any more is of nobody', () => {
  const rules = routing('https://registry-1.docker.io', { hosts: [] })
  assert.equal(nameOf(rules, undefined, 'ghcr.io/a/b' as RepositoryName), undefined)
  assert.equal(nameOf(rules, undefined, 'localhost.5000/a' as RepositoryName), undefined)
  assert.equal(destinationOf(rules, 'ghcr.io/a/b' as RepositoryName), undefined)
})

test('in patterns, a name has each host that may stand before it', () => {
  const names = (rules: ReturnType<typeof routing>, name: string) => publicNamesOf(rules, name as RepositoryName)
  assert.deepEqual(
    names(hub, 'library/nginx'),
    ['docker.io', 'registry-1.docker.io', 'index.docker.io'].map((host) => `${host}/library/nginx`),
  )
  assert.deepEqual(names(hub, 'ghcr.io/a/b'), ['ghcr.io/a/b'])
  assert.deepEqual(names(hub, 'localhost.5000/a'), ['localhost:5000/a'])
  assert.ok(names(own, 'reg.corp.5443/v1.2/x').includes('reg.corp:5443/v1.2/x'))
})

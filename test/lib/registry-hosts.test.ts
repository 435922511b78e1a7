import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isPrivateName, parseRegistryHost, registryUrlOf } from '../../src/lib/registry-hosts.ts'

const hosts: readonly (readonly [string, string, readonly [string, string, number | undefined] | undefined])[] = [
  ['a name with a dot', 'ghcr.io', ['ghcr.io', 'ghcr.io', undefined]],
  ['upper case is the same host', 'GHCR.io', ['ghcr.io', 'ghcr.io', undefined]],
  ['a port', 'localhost:5000', ['localhost:5000', 'localhost', 5000]],
  ['localhost alone', 'localhost', ['localhost', 'localhost', undefined]],
  ['one label with a port', 'registry:5000', ['registry:5000', 'registry', 5000]],
  ['an address', '10.0.0.1:80', ['10.0.0.1:80', '10.0.0.1', 80]],
  ['one label alone would be a user of Docker Hub', 'registry', undefined],
  ['a URL', 'https://ghcr.io', undefined],
  ['a path', 'ghcr.io/org', undefined],
  ['an underscore', 'my_host.corp', undefined],
  ['an address of IPv6, which no image name can hold', '[::1]:5000', undefined],
  ['a port of no number', 'ghcr.io:x', undefined],
  ['port 0', 'ghcr.io:0', undefined],
  ['a port that is too large', 'ghcr.io:65536', undefined],
  ['a last label of digits, which is the spelling of a port', 'ghcr.5000', undefined],
  ['an address in other notation', '0x7f.1', undefined],
  ['a dot at the end', 'ghcr.io.', undefined],
  ['the star', '*', undefined],
  ['nothing', '', undefined],
]
for (const [sentence, text, expected] of hosts) {
  test(`${sentence}: ${text} is ${expected === undefined ? 'no' : 'a'} host`, () => {
    const parsed = parseRegistryHost(text)
    assert.deepEqual(parsed && [parsed.host, parsed.hostname, parsed.port], expected)
  })
}

const privates = [
  'localhost',
  'registry',
  '127.0.0.1',
  '10.0.0.1',
  '127.1',
  '2130706433',
  '0x7f.0.0.1',
  'a.local',
  'metadata.google.internal',
]
for (const name of [...privates, 'x.localhost', 'nas.lan', 'a.home.arpa']) {
  test(`${name} is a private name`, () => assert.equal(isPrivateName(name), true))
}
for (const name of ['ghcr.io', 'local.example.com', 'internal.io', '1.example.com']) {
  test(`${name} is not a private name`, () => assert.equal(isPrivateName(name), false))
}

test('registries answer by HTTPS at their own name, Docker Hub at another', () => {
  assert.equal(registryUrlOf('ghcr.io'), 'https://ghcr.io')
  assert.equal(registryUrlOf('reg.corp:5000'), 'https://reg.corp:5000')
  assert.equal(registryUrlOf('docker.io'), 'https://registry-1.docker.io')
})

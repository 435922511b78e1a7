// Which token servers may see credentials, case by case.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { mayReceiveCredentials } from '../../src/upstream/realm-trust.ts'

const hub = 'https://registry-1.docker.io'

const cases: readonly { name: string; realm: string; registry?: string; trusted?: string[]; may: boolean }[] = [
  { name: "Docker Hub's own token server", realm: 'https://auth.docker.io/token', may: true },
  { name: 'the host of the registry', realm: 'https://registry-1.docker.io/token', may: true },
  { name: 'the host of the registry on another port', realm: 'https://registry-1.docker.io:8443/token', may: true },
  { name: 'the registrable domain itself', realm: 'https://docker.io/token', may: true },
  { name: 'somebody else', realm: 'https://auth.evil.example/token', may: false },
  { name: 'a domain that only ends alike', realm: 'https://auth.notdocker.io/token', may: false },
  { name: 'a domain that has ours in front', realm: 'https://docker.io.evil.example/token', may: false },
  { name: 'a user name that looks like our host', realm: 'https://registry-1.docker.io@evil.example/token', may: false },
  { name: 'a downgrade to http on the same host', realm: 'http://registry-1.docker.io/token', may: false },
  {
    name: 'a downgrade to http, though listed',
    realm: 'http://auth.docker.io/token',
    trusted: ['http://auth.docker.io/token'],
    may: false,
  },
  { name: 'another scheme', realm: 'ftp://registry-1.docker.io/token', may: false },
  { name: 'http of an http registry', registry: 'http://hub.corp.example:5000', realm: 'http://auth.corp.example/token', may: true },
  { name: 'https of an http registry', registry: 'http://hub.corp.example:5000', realm: 'https://auth.corp.example/token', may: true },
  { name: 'the same IP address on another port', registry: 'https://10.0.0.1:5000', realm: 'https://10.0.0.1:5001/token', may: true },
  { name: 'another IP address', registry: 'https://10.0.0.1:5000', realm: 'https://10.0.0.2:5001/token', may: false },
  { name: 'the same IPv6 address', registry: 'https://[::1]:5000', realm: 'https://[::1]:5001/token', may: true },
  { name: 'localhost from localhost', registry: 'http://localhost:5000', realm: 'http://localhost:5001/token', may: true },
  { name: 'two hosts without a domain', registry: 'http://registry:5000', realm: 'http://auth:5001/token', may: false },
  { name: 'another company below a public suffix', registry: 'https://hub.co.uk', realm: 'https://evil.co.uk/token', may: false },
  {
    name: "another customer below a provider's suffix",
    registry: 'https://one.github.io',
    realm: 'https://two.github.io/token',
    may: false,
  },
  { name: 'a listed host', realm: 'https://login.example.com/token', trusted: ['login.example.com'], may: true },
  { name: 'a listed host in upper case', realm: 'https://login.example.com/token', trusted: ['Login.Example.COM'], may: true },
  { name: 'a host below a listed one', realm: 'https://a.login.example.com/token', trusted: ['login.example.com'], may: false },
  { name: 'a listed host and port', realm: 'https://login.example.com:8443/t', trusted: ['login.example.com:8443'], may: true },
  {
    name: 'a listed host on another port than listed',
    realm: 'https://login.example.com:9/t',
    trusted: ['login.example.com:8443'],
    may: false,
  },
  { name: 'a listed URL', realm: 'https://login.example.com/jwt/auth', trusted: ['https://login.example.com/jwt/auth'], may: true },
  { name: 'a path below a listed URL', realm: 'https://login.example.com/jwt/auth', trusted: ['https://login.example.com/jwt'], may: true },
  { name: 'a path beside a listed URL', realm: 'https://login.example.com/jwtx', trusted: ['https://login.example.com/jwt'], may: false },
  { name: 'a listed URL of a whole host', realm: 'https://login.example.com/any', trusted: ['https://login.example.com'], may: true },
  { name: 'an empty entry', realm: 'https://auth.evil.example/token', trusted: ['', ' '], may: false },
]

describe('credentials', () => {
  for (const { name, realm, registry = hub, trusted = [], may } of cases) {
    it(`${may ? 'go' : 'do not go'} to ${name}`, () => {
      assert.equal(mayReceiveCredentials(new URL(realm), new URL(registry), trusted), may)
    })
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDockerHub, namespacesOf } from '../../src/mirror/namespaces.ts'

const hub = ['docker.io', 'registry-1.docker.io', 'index.docker.io']
const namespaces = (url: string) => [...namespacesOf(new URL(url))].toSorted()

const cases: readonly (readonly [string, string, readonly string[]])[] = [
  ['Docker Hub answers to each of its names', 'https://registry-1.docker.io', hub],
  ['a mirror of the Hub answers to the Hub’s names and its own', 'https://mirror.example.com', [...hub, 'mirror.example.com']],
  ['a port belongs to one of the names', 'http://localhost:5001', [...hub, 'localhost', 'localhost:5001']],
  ['names are in lower case', 'https://Mirror.Example.COM', [...hub, 'mirror.example.com']],
  ['another registry never answers for the Hub', 'https://ghcr.io', ['ghcr.io']],
  ['nor does a host below one', 'https://eu.gcr.io', ['eu.gcr.io']],
  ['a host that merely ends like one is not one', 'https://notghcr.io', [...hub, 'notghcr.io']],
]
for (const [sentence, url, expected] of cases) {
  test(sentence, () => assert.deepEqual(namespaces(url), expected.toSorted()))
}

test('only Docker Hub itself is Docker Hub', () => {
  for (const host of hub) assert.equal(isDockerHub(new URL(`https://${host}`)), true, host)
  for (const host of ['ghcr.io', 'docker.io.example.com', 'auth.docker.io', 'localhost']) {
    assert.equal(isDockerHub(new URL(`https://${host}`)), false, host)
  }
})

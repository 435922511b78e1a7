import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ContentSource } from '../../src/content.ts'
import { AdmittedContent, createAdmission } from '../../src/mirror/admission.ts'
import { createRouting } from '../../src/mirror/routing.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { isRegistryError } from '../../src/oci/errors.ts'
import { parseRepositoryName, parseTag } from '../../src/oci/names.ts'

const hosts = ['ghcr.io', 'reg.corp:5000']
const hub = createRouting({ main: new URL('https://registry-1.docker.io'), libraryPrefix: true, hosts, onDemand: undefined })
const mirror = createRouting({ main: new URL('https://mirror.example.com:444'), libraryPrefix: false, hosts, onDemand: undefined })

type Case = readonly [
  sentence: string,
  rules: { allow?: string[]; deny?: string[] },
  admitted: readonly string[],
  refused: readonly string[],
]

function check(routing: typeof hub, cases: readonly Case[]): void {
  for (const [sentence, { allow = [], deny = [] }, admitted, refused] of cases) {
    test(sentence, () => {
      const isAdmitted = createAdmission({ allow, deny }, routing)
      assert.ok(isAdmitted !== undefined)
      // Asked twice: the second answer comes from memory.
      for (const name of [...admitted, ...admitted]) assert.equal(isAdmitted(parseRepositoryName(name)), true, name)
      for (const name of [...refused, ...refused]) assert.equal(isAdmitted(parseRepositoryName(name)), false, name)
    })
  }
}

describe('in front of Docker Hub', () => {
  check(hub, [
    ['a denied repository is refused, its neighbours are not', { deny: ['docker.io/a/b'] }, ['a/c', 'ghcr.io/a/b'], ['a/b']],
    [
      'what allow does not have is refused',
      { allow: ['docker.io/library/*'] },
      ['library/nginx'],
      ['a/b', 'library/a/b', 'ghcr.io/library/nginx'],
    ],
    ['deny is stronger than allow', { allow: ['**'], deny: ['**/secret'] }, ['a/b', 'ghcr.io/a/b'], ['a/secret', 'ghcr.io/a/b/secret']],
    ['a pattern without a host is of the main upstream', { deny: ['a/*'] }, ['ghcr.io/a/b', 'b/c'], ['a/b']],
    ['an official image may be written without library/', { deny: ['nginx'] }, ['library/redis', 'ghcr.io/nginx'], ['library/nginx']],
    ['any of the Hub’s names will do', { deny: ['index.docker.io/a/b', 'registry-1.docker.io/a/c'] }, ['a/d'], ['a/b', 'a/c']],
    ['a host may be a pattern', { allow: ['*.io/**'] }, ['a/b', 'ghcr.io/a/b'], ['reg.corp.5000/a']],
    ['a host may have a port', { allow: ['reg.corp:5000/**'] }, ['reg.corp.5000/a/b'], ['a/b']],
    ['a host may be in upper case', { deny: ['GHCR.io/a/*'] }, ['ghcr.io/b/b'], ['ghcr.io/a/b']],
    ['a whole upstream can be refused', { deny: ['ghcr.io/**'] }, ['a/b'], ['ghcr.io/a', 'ghcr.io/a/b/c']],
  ])
})

describe('in front of a mirror of the Hub', () => {
  check(mirror, [
    ['patterns for the Hub count', { deny: ['docker.io/a/b'] }, ['a/c'], ['a/b']],
    ['patterns for its own host count', { deny: ['mirror.example.com:444/a/b'] }, ['a/c'], ['a/b']],
    ['patterns without a host count, and nothing is added to them', { deny: ['nginx', 'a/*'] }, ['library/nginx'], ['nginx', 'a/b']],
  ])
})

test('without rules there is nothing to decide', () => {
  assert.equal(createAdmission({ allow: [], deny: [] }, hub), undefined)
})

test('a refused repository is refused in every question, without a question to the content', async () => {
  const { signal } = new AbortController()
  const asked: string[] = []
  const note = (name: string) => async () => void asked.push(name)
  const questions = ['describeManifest', 'findManifest', 'describeBlob', 'findBlob', 'listTags', 'listReferrers'] as const
  const inner = Object.fromEntries(questions.map((name) => [name, note(name)])) as unknown as ContentSource
  const content = new AdmittedContent(inner, (repository) => repository === 'fine')
  const digest = digestOf(Buffer.from('x'))
  const askAll = (name: string) => {
    const repository = parseRepositoryName(name)
    return Promise.allSettled([
      content.describeManifest(repository, parseTag('latest'), signal),
      content.findManifest(repository, digest, signal),
      content.describeBlob(repository, digest, signal),
      content.findBlob(repository, digest, signal),
      content.listTags(repository, { n: undefined, last: undefined }, signal),
      content.listReferrers(repository, digest, undefined, signal),
    ])
  }
  for (const outcome of await askAll('other')) {
    assert.ok(outcome.status === 'rejected' && isRegistryError(outcome.reason, 'DENIED'), JSON.stringify(outcome))
  }
  assert.deepEqual(asked, [])
  for (const outcome of await askAll('fine')) assert.equal(outcome.status, 'fulfilled')
  assert.deepEqual(asked, questions)
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createIsOwn, nameOfOwn } from '../../src/mirror/own-repositories.ts'
import { createRouting, nameOf } from '../../src/mirror/routing.ts'
import type { RepositoryName } from '../../src/oci/names.ts'

const rules = createRouting({
  main: new URL('https://registry-1.docker.io'),
  libraryPrefix: true,
  hosts: ['ghcr.io'],
  onDemand: undefined,
})
const isOwn = createIsOwn(['team/**', 'mine', 'corp.example/**']) ?? (() => false)
const named = nameOfOwn(isOwn, (ns, name) => nameOf(rules, ns, name))

describe('names beside names of ours', () => {
  const cases: [string, string | undefined, string, string | undefined][] = [
    ['ours is kept under its own name', undefined, 'team/app', 'team/app'],
    ['ours without a slash gets no library/', undefined, 'mine', 'mine'],
    ['ours may look like a host that is not served', undefined, 'corp.example/app', 'corp.example/app'],
    ['ours hides the main registry’s', 'docker.io', 'team/app', 'team/app'],
    ['ours without a slash hides it, too', 'docker.io', 'mine', 'mine'],
    ['another registry’s is not ours', 'ghcr.io', 'team/app', 'ghcr.io/team/app'],
    ['another registry’s without a slash is not ours', 'ghcr.io', 'mine', 'ghcr.io/mine'],
    ['of a registry that is not served there is nothing, whatever it is called', 'quay.io', 'team/app', undefined],
    ['what is mirrored goes its way', undefined, 'nginx', 'library/nginx'],
    ['what is mirrored by ns goes its way', 'ghcr.io', 'org/app', 'ghcr.io/org/app'],
  ]
  for (const [what, ns, name, expected] of cases) {
    it(what, () => assert.equal(named(ns, name as RepositoryName), expected))
  }

  it('without patterns nothing is ours', () => assert.equal(createIsOwn([]), undefined))
})

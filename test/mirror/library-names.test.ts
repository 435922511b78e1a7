import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContentSource } from '../../src/content.ts'
import { LibraryNames } from '../../src/mirror/library-names.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { parseRepositoryName, parseTag } from '../../src/oci/names.ts'

const { signal } = new AbortController()
const digest = digestOf(Buffer.from('x'))
const tag = parseTag('latest')

/** Content that notes each question with what it was asked. */
function noted(): { readonly content: ContentSource; readonly questions: unknown[][] } {
  const questions: unknown[][] = []
  const note =
    (name: string) =>
    async (...asked: unknown[]) => {
      questions.push([name, ...asked])
      return undefined
    }
  const content: ContentSource = {
    describeManifest: note('describeManifest'),
    findManifest: note('findManifest'),
    describeBlob: note('describeBlob'),
    findBlob: note('findBlob'),
    listTags: note('listTags'),
    listReferrers: note('listReferrers'),
  }
  return { content, questions }
}

async function askEverything(content: ContentSource, text: string): Promise<void> {
  const repository = parseRepositoryName(text)
  await content.describeManifest(repository, tag, signal)
  await content.findManifest(repository, digest, signal)
  await content.describeBlob(repository, digest, signal)
  await content.findBlob(repository, digest, signal)
  await content.listTags(repository, { n: 1, last: undefined }, signal)
  await content.listReferrers(repository, digest, 'type', signal)
}

const expected = (repository: string) => [
  ['describeManifest', repository, tag, signal],
  ['findManifest', repository, digest, signal],
  ['describeBlob', repository, digest, signal],
  ['findBlob', repository, digest, signal],
  ['listTags', repository, { n: 1, last: undefined }, signal],
  ['listReferrers', repository, digest, 'type', signal],
]

const cases: readonly (readonly [string, string, string])[] = [
  ['a name of one component is an official image', 'nginx', 'library/nginx'],
  ['the full name stays', 'library/nginx', 'library/nginx'],
  ['a name of two components stays', 'grafana/loki', 'grafana/loki'],
  ['a deep name stays', 'a/b/c', 'a/b/c'],
]
for (const [sentence, asked, wanted] of cases) {
  test(`${sentence}, in every question`, async () => {
    const { content, questions } = noted()
    await askEverything(new LibraryNames(content), asked)
    assert.deepEqual(questions, expected(wanted))
  })
}

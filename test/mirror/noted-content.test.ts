import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { NotedContent } from '../../src/mirror/noted-content.ts'
import type { Tag } from '../../src/oci/names.ts'
import { contentOf, manifestOf, nginx } from '../http/serving.ts'

describe('content whose uses are noted', () => {
  it('notes what is recalled from memory like what is found, and nothing where there is none', async () => {
    const manifest = manifestOf('{}')
    const { digest } = manifest.descriptor
    const latest = 'latest' as Tag
    const notes: string[] = []
    const noted = new NotedContent(
      contentOf({
        findManifest: async () => manifest,
        recallManifest: (_repository, reference) => (reference === digest ? manifest : undefined),
      }),
      { noteManifest: (...use) => notes.push(use.join(' ')), noteBlob: () => assert.fail('no blob was used') },
    )
    assert.equal(noted.recallManifest(nginx, digest), manifest)
    assert.equal(noted.recallManifest(nginx, latest), undefined)
    await noted.findManifest(nginx, latest, new AbortController().signal)
    assert.deepEqual(notes, [`${nginx} ${digest} ${digest}`, `${nginx} latest ${digest}`])
  })

  it('recalls nothing where content can not', () => {
    const noted = new NotedContent(contentOf({}), { noteManifest: () => assert.fail(), noteBlob: () => assert.fail() })
    assert.equal(noted.recallManifest(nginx, 'latest' as Tag), undefined)
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Tag, RepositoryName } from '../../src/oci/names.ts'
import { pageOf } from '../../src/oci/pagination.ts'
import { ask, contentOf, serve } from './serving.ts'

const tags = ['1', '1.27', 'latest'] as Tag[]
const content = contentOf({ listTags: async (name, page) => (name === 'library/nginx' ? pageOf(tags, page, 100) : undefined) })
const digest = `sha256:${'ab'.repeat(32)}`

describe('tags/list', () => {
  it('lists all in one page without a link', async () => {
    await using serving = await serve({ content })
    const { status, headers, body } = await ask(serving.port, '/v2/library/nginx/tags/list')
    assert.deepEqual([status, headers['content-type'], headers['link']], [200, 'application/json', undefined])
    assert.equal(body.toString(), '{"name":"library/nginx","tags":["1","1.27","latest"]}\n')
    assert.equal(headers['content-length'], String(body.length))
  })

  it('its links lead through all pages', async () => {
    await using serving = await serve({ content })
    const seen: string[] = []
    let path: string | undefined = '/v2/library/nginx/tags/list?n=2'
    while (path !== undefined) {
      const { headers, body } = await ask(serving.port, path)
      seen.push(...JSON.parse(body.toString()).tags)
      path = /^<([^>]+)>; rel="next"$/.exec(String(headers['link'] ?? ''))?.[1]
    }
    assert.deepEqual(seen, tags)
  })

  it('n=0 is an empty page', async () => {
    await using serving = await serve({ content })
    const { status, headers, body } = await ask(serving.port, '/v2/library/nginx/tags/list?n=0')
    assert.deepEqual([status, JSON.parse(body.toString()).tags, headers['link']], [200, [], undefined])
  })

  for (const n of ['-1', 'x', '1.5', '%00']) {
    it(`n=${n} is 400 PAGINATION_NUMBER_INVALID`, async () => {
      await using serving = await serve({ content })
      const { status, body } = await ask(serving.port, `/v2/library/nginx/tags/list?n=${n}`)
      assert.deepEqual([status, JSON.parse(body.toString()).errors[0].code], [400, 'PAGINATION_NUMBER_INVALID'])
    })
  }

  it('of an unknown repository is 404 NAME_UNKNOWN', async () => {
    await using serving = await serve({ content })
    const { status, body } = await ask(serving.port, '/v2/library/gone/tags/list')
    assert.deepEqual([status, JSON.parse(body.toString()).errors[0].code], [404, 'NAME_UNKNOWN'])
  })
})

describe('_catalog', () => {
  const names = ['a', 'b/c'] as RepositoryName[]

  it('lists repositories in pages', async () => {
    await using serving = await serve({ catalog: { listRepositories: async (page) => pageOf(names, page, 100) } })
    const first = await ask(serving.port, '/v2/_catalog?n=1')
    assert.deepEqual([first.status, first.body.toString()], [200, '{"repositories":["a"]}\n'])
    assert.equal(first.headers['link'], '</v2/_catalog?last=a&n=1>; rel="next"')
    const second = await ask(serving.port, '/v2/_catalog?last=a&n=1')
    assert.deepEqual([second.body.toString(), second.headers['link']], ['{"repositories":["b/c"]}\n', undefined])
  })

  it('is 405 where there is none', async () => {
    await using serving = await serve()
    const { status, body } = await ask(serving.port, '/v2/_catalog')
    assert.deepEqual([status, JSON.parse(body.toString()).errors[0].code], [405, 'UNSUPPORTED'])
  })
})

describe('referrers', () => {
  const bytes = Buffer.from('{"schemaVersion":2,"manifests":[]}')

  it('passes the index through, and the filter on', async () => {
    const asked: unknown[] = []
    await using serving = await serve({
      content: contentOf({
        async listReferrers(...question) {
          asked.push(question.slice(0, 3))
          return { bytes, filtersApplied: 'artifactType', provenance: { verdict: 'miss' } }
        },
      }),
    })
    const { status, headers, body } = await ask(serving.port, `/v2/library/nginx/referrers/${digest}?artifactType=a%2Fb&ns=docker.io`)
    assert.deepEqual([status, body], [200, bytes])
    assert.equal(headers['content-type'], 'application/vnd.oci.image.index.v1+json')
    assert.deepEqual([headers['oci-filters-applied'], headers['x-cache'], headers['content-encoding']], ['artifactType', 'miss', undefined])
    assert.deepEqual(asked, [['library/nginx', digest, 'a/b']])
  })

  it('without the API upstream is 404 in JSON', async () => {
    await using serving = await serve({ content: contentOf({ listReferrers: async () => undefined }) })
    const { status, headers, body } = await ask(serving.port, `/v2/library/nginx/referrers/${digest}`)
    assert.deepEqual([status, headers['content-type'], JSON.parse(body.toString()).errors.length], [404, 'application/json', 1])
  })

  it('of what is no digest is 400', async () => {
    await using serving = await serve()
    assert.equal((await ask(serving.port, '/v2/library/nginx/referrers/latest')).status, 400)
  })
})

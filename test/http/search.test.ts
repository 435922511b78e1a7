import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { RepositoryName } from '../../src/oci/names.ts'
import { pageOf } from '../../src/oci/pagination.ts'
import { ask, serve } from './serving.ts'

const names = ['Corp.example/app', 'library/nginx', 'mirror/nginx-unit', 'team/app'] as RepositoryName[]
const many = Array.from({ length: 2500 }, (_, at) => `many/image-${String(at).padStart(4, '0')}` as RepositoryName)

function catalogOf(repositories: readonly RepositoryName[]) {
  return { listRepositories: async (page: Parameters<typeof pageOf>[1]) => pageOf(repositories, page, 1000) }
}

async function search(port: number, query: string) {
  const { status, headers, body } = await ask(port, `/v1/search${query}`)
  assert.deepEqual([status, headers['content-type']], [200, 'application/json'])
  return JSON.parse(body.toString())
}

describe('docker search', () => {
  it('pings first', async () => {
    await using serving = await serve({ catalog: catalogOf(names) })
    const { status, headers, body } = await ask(serving.port, '/v1/_ping')
    assert.deepEqual([status, headers['x-docker-registry-standalone'], JSON.parse(body.toString())], [200, 'true', true])
  })

  it('finds what has the term in its name', async () => {
    await using serving = await serve({ catalog: catalogOf(names) })
    assert.deepEqual(await search(serving.port, '?q=nginx&n=25'), {
      num_results: 2,
      query: 'nginx',
      results: ['library/nginx', 'mirror/nginx-unit'].map((name) => ({
        name,
        description: '',
        star_count: 0,
        is_official: false,
        is_automated: false,
      })),
      page: 1,
      num_pages: 1,
      page_size: 25,
    })
  })

  const cases: [string, string, string[]][] = [
    ['a slash', '?q=library%2fng', ['library/nginx']],
    ['another case', '?q=CORP', ['Corp.example/app']],
    ['nothing', '?q=', names],
    ['no term', '', names],
    ['what is not there', '?q=redis', []],
    ['signs of patterns', '?q=.*', []],
  ]
  for (const [what, query, expected] of cases) {
    it(`takes ${what}`, async () => {
      await using serving = await serve({ catalog: catalogOf(names) })
      const { results, num_results } = await search(serving.port, query)
      assert.deepEqual(
        results.map(({ name }: { name: string }) => name),
        expected,
      )
      assert.equal(num_results, expected.length)
    })
  }

  it('gives pages over a catalog of many pages', async () => {
    await using serving = await serve({ catalog: catalogOf(many) })
    const { num_results, num_pages, page, page_size, results } = await search(serving.port, '?q=image-&n=60&page=42')
    assert.deepEqual([num_results, num_pages, page, page_size], [2500, 42, 42, 60])
    assert.deepEqual(
      results.map(({ name }: { name: string }) => name),
      many.slice(41 * 60),
    )
    assert.deepEqual((await search(serving.port, '?q=image-&n=60&page=43')).results, [])
  })

  it('bounds its pages, and takes numbers that are none for not given', async () => {
    await using serving = await serve({ catalog: catalogOf(many) })
    assert.equal((await search(serving.port, '?n=5000')).results.length, 100)
    for (const query of ['?n=0', '?n=-1', '?n=x', '?n=', '?page=0&n=25', '?page=x', '']) {
      const { page, page_size, results } = await search(serving.port, query)
      assert.deepEqual([page, page_size, results.length], [1, 25, 25])
    }
  })

  it('is not there without a catalog', async () => {
    await using serving = await serve()
    assert.equal((await ask(serving.port, '/v1/search?q=x')).status, 404)
    assert.equal((await ask(serving.port, '/v1/_ping')).status, 404)
  })
})

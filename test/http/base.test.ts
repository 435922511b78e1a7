import assert from 'node:assert/strict'
import { METHODS } from 'node:http'
import { describe, it } from 'node:test'
import type { NameOf } from '../../src/http/request-names.ts'
import type { RepositoryName, Tag } from '../../src/oci/names.ts'
import { ask, contentOf, manifestOf, serve } from './serving.ts'

const version = 'docker-distribution-api-version'

describe('the answers that need no content', () => {
  it('/ is 200, empty and not cached, without the headers of the API', async () => {
    await using serving = await serve({ headers: { 'X-Extra': ['1'] } })
    const { status, headers, body } = await ask(serving.port, '/')
    assert.deepEqual([status, body.length, headers['cache-control'], headers['content-length']], [200, 0, 'no-cache', '0'])
    assert.deepEqual([headers[version], headers['x-extra']], [undefined, undefined])
  })

  it('/v2/ answers every method with 200 {} and never asks the content', async () => {
    await using serving = await serve()
    for (const method of METHODS.filter((name) => name !== 'CONNECT' && name !== 'HEAD')) {
      const { status, headers, body } = await ask(serving.port, '/v2/', { method })
      assert.deepEqual([method, status, body.toString()], [method, 200, '{}'])
      assert.deepEqual([headers['content-type'], headers['content-length'], headers[version]], ['application/json', '2', 'registry/2.0'])
      assert.equal(headers['www-authenticate'], undefined)
    }
    const head = await ask(serving.port, '/v2/', { method: 'HEAD' })
    assert.deepEqual([head.status, head.body.length, head.headers['content-length']], [200, 0, '2'])
  })

  it('/v2 leads to /v2/, with its query', async () => {
    await using serving = await serve()
    const { status, headers } = await ask(serving.port, '/v2?ns=docker.io')
    assert.deepEqual([status, headers['location'], headers[version]], [301, '/v2/?ns=docker.io', 'registry/2.0'])
  })

  it('a path without a route gets the text page', async () => {
    await using serving = await serve()
    for (const path of [
      '/x',
      '/v1/',
      '/v2/x',
      '/v2/library/nginx/',
      '/v2/library/nginx/manifests/',
      '/v3/',
      '//',
      '/v2//',
      '/v2/tags/list',
    ]) {
      const { status, headers, body } = await ask(serving.port, path)
      assert.deepEqual([path, status, body.toString()], [path, 404, '404 page not found\n'])
      assert.deepEqual([headers['content-type'], headers[version]], ['text/plain; charset=utf-8', undefined])
    }
  })

  it('configured headers are on the answers of routes, errors too, with all their values', async () => {
    await using serving = await serve({
      headers: { 'X-Content-Type-Options': ['nosniff'], 'X-Two': ['a', 'b'], 'Content-Length': ['99'] },
      content: contentOf({ findManifest: async () => undefined }),
    })
    for (const path of ['/v2/', '/v2/library/nginx/manifests/latest']) {
      const { headers } = await ask(serving.port, path)
      assert.deepEqual([headers['x-content-type-options'], headers['x-two']], ['nosniff', 'a, b'])
    }
  })
})

describe('http.prefix', () => {
  const manifest = manifestOf('{}')
  const content = contentOf({ findManifest: async () => manifest, listTags: async () => ({ items: ['a' as never], more: true }) })

  it('is understood before and behind v2, and pings without it are answered', async () => {
    await using serving = await serve({ prefix: '/pfx/', content })
    for (const path of [
      '/pfx/v2/',
      '/v2/pfx/',
      '/v2/',
      '/pfx/v2/library/nginx/manifests/latest',
      '/v2/pfx/library/nginx/manifests/latest',
      '/',
    ]) {
      assert.equal((await ask(serving.port, path)).status, 200, path)
    }
  })

  it('outside of it there is nothing', async () => {
    await using serving = await serve({ prefix: 'pfx', content })
    for (const path of ['/v2/library/nginx/manifests/latest', '/pfxv2/', '/pfx', '/v2/pfxlibrary/nginx/manifests/latest']) {
      assert.equal((await ask(serving.port, path)).status, 404, path)
    }
  })

  it('stays in the link to the next page', async () => {
    await using serving = await serve({ prefix: 'pfx', content })
    const { headers } = await ask(serving.port, '/pfx/v2/library/nginx/tags/list?n=1')
    assert.equal(headers['link'], '</pfx/v2/library/nginx/tags/list?last=a&n=1>; rel="next"')
  })
})

describe('ns', () => {
  const manifest = manifestOf('{}')
  const content = contentOf({ findManifest: async () => manifest })
  const asked: unknown[] = []
  const nameOf: NameOf = (ns, name) => {
    asked.push([ns, name])
    return ns === undefined || ns === 'docker.io' ? name : undefined
  }

  it('of the mirrored registry, or none, is served', async () => {
    await using serving = await serve({ nameOf, content })
    for (const query of ['', '?', '?ns=docker.io', '?ns=Docker.IO', '?ns=docker.io', '?ns=docker.io&ns=docker.io', '?ns=', '?x=ns', '']) {
      assert.equal((await ask(serving.port, `/v2/library/nginx/manifests/latest${query}`)).status, 200, query)
    }
    assert.deepEqual(new Set(asked.map(String)), new Set([',library/nginx', 'docker.io,library/nginx']))
  })

  it('of another registry is 404 in JSON, without asking the content', async () => {
    await using serving = await serve({ nameOf })
    for (const query of ['?ns=quay.io', '?ns=ghcr.io', '?ns=docker.io&ns=quay.io', '?n%73=quay.io', '?ns=docker.io.evil']) {
      const { status, body } = await ask(serving.port, `/v2/library/nginx/manifests/latest${query}`)
      assert.deepEqual([query, status, JSON.parse(body.toString()).errors[0].code], [query, 404, 'NAME_UNKNOWN'])
    }
  })

  it('is of no interest where the registry is its own', async () => {
    await using serving = await serve({ content })
    assert.equal((await ask(serving.port, '/v2/library/nginx/manifests/latest?ns=quay.io')).status, 200)
  })
})

describe('names', () => {
  const inside = 'ghcr.io/org/image' as RepositoryName
  const nameOf: NameOf = (ns, name) => (ns === 'ghcr.io' && name === 'org/image' ? inside : undefined)
  const query = '?ns=ghcr.io'
  const digest = `sha256:${'ab'.repeat(32)}`

  it('reach the content as they are known there', async () => {
    const asked: string[] = []
    const note = async (name: string) => void asked.push(name)
    const all = { describeManifest: note, findManifest: note, describeBlob: note, findBlob: note, listTags: note, listReferrers: note }
    await using serving = await serve({ nameOf, content: contentOf(all) })
    for (const path of ['manifests/latest', `blobs/${digest}`, 'tags/list', `referrers/${digest}`]) {
      const { status, body } = await ask(serving.port, `/v2/org/image/${path}${query}`)
      assert.deepEqual([path, status], [path, 404])
      assert.ok(!body.toString().includes(inside), `the client is told a name that it did not ask for: ${body}`)
    }
    for (const path of ['manifests/latest', `blobs/${digest}`]) {
      assert.equal((await ask(serving.port, `/v2/org/image/${path}${query}`, { method: 'HEAD' })).status, 404)
    }
    assert.deepEqual(
      asked,
      Array.from({ length: 6 }, () => inside),
    )
  })

  it('are shown as they were asked, and `ns` stays in the link to the next page', async () => {
    const content = contentOf({ listTags: async () => ({ items: ['a' as Tag], more: true }) })
    await using serving = await serve({ nameOf, content })
    const { headers, body } = await ask(serving.port, `/v2/org/image/tags/list${query}&n=1`)
    assert.deepEqual(JSON.parse(body.toString()), { name: 'org/image', tags: ['a'] })
    assert.equal(headers['link'], '</v2/org/image/tags/list?last=a&n=1&ns=ghcr.io>; rel="next"')
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ContentSource, Manifest, Provenance } from '../../src/content.ts'
import { ask, contentOf, manifestOf, serve } from './serving.ts'

const manifest = manifestOf('{"schemaVersion":2,\n "odd":"bytes \u00fc"}')
const { digest, size } = manifest.descriptor

/** Content that has one manifest, on both ways to an answer. Each fails the request for what only the other one asks. */
const ways: Readonly<Record<string, (manifest: Manifest) => ContentSource>> = {
  'asked for': (found) => contentOf({ findManifest: async () => found, describeManifest: async () => ({ ...found, bytes: undefined }) }),
  'in memory': (found) => contentOf({ recallManifest: () => found }),
}

for (const [way, contentWith] of Object.entries(ways)) {
  const content = contentWith(manifest)

  describe(`manifests ${way}`, () => {
    it('GET gives exactly the bytes and the type that are kept', async () => {
      await using serving = await serve({ content })
      for (const reference of ['latest', digest, digest.replace(':', '%3A')]) {
        const { status, headers, body } = await ask(serving.port, `/v2/library/nginx/manifests/${reference}`)
        assert.deepEqual([status, body], [200, Buffer.from(manifest.bytes)])
        assert.equal(headers['content-type'], manifest.descriptor.mediaType)
        assert.equal(headers['content-length'], String(size))
        assert.equal(headers['docker-content-digest'], digest)
        assert.equal(headers['etag'], `"${digest}"`)
        assert.equal(headers['docker-distribution-api-version'], 'registry/2.0')
        assert.equal(headers['x-cache'], 'hit')
        assert.equal(headers['transfer-encoding'], undefined)
      }
    })

    it('HEAD has the headers of GET and no body', async () => {
      await using serving = await serve({ content })
      const head = await ask(serving.port, '/v2/library/nginx/manifests/latest', { method: 'HEAD' })
      const get = await ask(serving.port, '/v2/library/nginx/manifests/latest')
      assert.deepEqual([head.status, head.body.length], [200, 0])
      assert.deepEqual({ ...head.headers, date: '' }, { ...get.headers, date: '' })
    })

    it('a client without a fitting Accept gets the same', async () => {
      await using serving = await serve({ content })
      const { status, headers } = await ask(serving.port, '/v2/library/nginx/manifests/latest', { headers: { accept: 'text/html' } })
      assert.deepEqual([status, headers['content-type']], [200, manifest.descriptor.mediaType])
    })

    for (const [name, value, modified] of [
      ['the tag in quotes', `"${digest}"`, false],
      ['the digest without quotes', digest, false],
      ['a weak tag', `W/"${digest}"`, false],
      ['a list with it', `"x", "${digest}"`, false],
      ['a star', '*', false],
      ['another tag', '"sha256:0"', true],
      ['a part of it', `"${digest.slice(0, 20)}"`, true],
    ] as const) {
      it(`If-None-Match with ${name} is ${modified ? '200' : '304'}`, async () => {
        await using serving = await serve({ content })
        for (const method of ['GET', 'HEAD']) {
          const { status, headers, body } = await ask(serving.port, '/v2/library/nginx/manifests/latest', {
            method,
            headers: { 'if-none-match': value },
          })
          assert.equal(status, modified ? 200 : 304)
          assert.equal(headers['etag'], `"${digest}"`)
          if (!modified) assert.deepEqual([body.length, headers['content-type'], headers['content-length']], [0, undefined, undefined])
        }
      })
    }
  })

  describe(`X-Cache of manifests ${way}`, () => {
    async function headersFor(provenance: Provenance) {
      await using serving = await serve({ content: contentWith({ ...manifest, provenance }) })
      return (await ask(serving.port, '/v2/library/nginx/manifests/latest')).headers
    }

    for (const verdict of ['hit', 'miss', 'revalidated', 'filling'] as const) {
      it(`says ${verdict}`, async () => {
        const headers = await headersFor({ verdict, ageSeconds: 3, cause: 'x' })
        assert.deepEqual([headers['x-cache'], headers['age'], headers['warning']], [verdict, undefined, undefined])
      })
    }

    it('says stale, how old and why, whatever characters the cause has', async () => {
      const headers = await headersFor({ verdict: 'stale', ageSeconds: 61.9, cause: 'a "quoted" \\ cause\r\nX-Evil: 1 \u2620' })
      assert.equal(headers['x-cache'], 'stale')
      assert.equal(headers['age'], '61')
      assert.equal(headers['warning'], '111 entrepot "a \\"quoted\\" \\\\ cause??X-Evil: 1 ?"')
      assert.equal(headers['x-evil'], undefined)
    })
  })
}

describe('manifests', () => {
  it('HEAD asks for the description only', async () => {
    await using serving = await serve({ content: contentOf({ describeManifest: async () => manifest }) })
    const { status } = await ask(serving.port, '/v2/library/nginx/manifests/latest', { method: 'HEAD' })
    assert.equal(status, 200)
  })

  it('hands on checked names', async () => {
    const asked: string[] = []
    const findManifest = async (name: string, reference: string) => {
      asked.push(`${name} ${reference}`)
      return manifest
    }
    await using serving = await serve({ content: contentOf({ findManifest }) })
    await ask(serving.port, '/v2/nginx/manifests/1.27')
    await ask(serving.port, `/v2/a/manifests/b/manifests/${digest}?ns=docker.io`)
    assert.deepEqual(asked, ['nginx 1.27', `a/manifests/b ${digest}`])
  })

  it('none is 404 MANIFEST_UNKNOWN, the same for HEAD', async () => {
    await using serving = await serve({
      content: contentOf({ findManifest: async () => undefined, describeManifest: async () => undefined }),
    })
    const get = await ask(serving.port, '/v2/library/nginx/manifests/gone')
    assert.equal(get.status, 404)
    assert.equal(get.body.toString(), '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":"unknown tag=gone"}]}\n')
    assert.equal(get.headers['content-type'], 'application/json')
    assert.equal(get.headers['docker-distribution-api-version'], 'registry/2.0')
    const head = await ask(serving.port, '/v2/library/nginx/manifests/gone', { method: 'HEAD' })
    assert.deepEqual([head.status, head.body.length, head.headers['content-length']], [404, 0, get.headers['content-length']])
    const byDigest = await ask(serving.port, `/v2/library/nginx/manifests/${digest}`)
    assert.match(byDigest.body.toString(), /unknown manifest name=library\/nginx revision=sha256:/)
  })
})

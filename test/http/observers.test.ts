import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Exchange } from '../../src/http/exchange.ts'
import { ask, blobOf, contentOf, manifestOf, seededBytes, serve, until } from './serving.ts'

const manifest = manifestOf('{}')
const { digest } = manifest.descriptor
const blob = blobOf(seededBytes(10))

/** What observers are told, in a line for each request. */
function lineOf({ req, res, repository, reference, descriptor, provenance, bodyBytes }: Exchange): string {
  return [req.method, res.statusCode, bodyBytes, repository, reference, descriptor?.digest, provenance?.verdict].join(' ')
}

describe('observers of requests', () => {
  it('are told of each request, what was asked for and what was found', async () => {
    const told: string[] = []
    await using serving = await serve({
      observers: [(exchange) => told.push(lineOf(exchange))],
      nameOf: (_ns, name) => `inside/${name}` as typeof name,
      content: contentOf({
        findManifest: async (_repository, reference) => (reference === 'gone' ? undefined : manifest),
        describeManifest: async () => manifest,
        findBlob: async () => blob,
      }),
    })
    for (const [method, path] of [
      ['GET', '/v2/a/manifests/latest'],
      ['HEAD', `/v2/a/manifests/${digest}`],
      ['GET', '/v2/a/manifests/gone'],
      ['GET', `/v2/a/blobs/${blob.descriptor.digest}`],
      ['GET', '/v2/'],
    ] as const) {
      const count = told.length + 1
      await ask(serving.port, path, { method })
      await until('the observer is told', () => told.length === count)
    }
    assert.deepEqual(told, [
      `GET 200 2 inside/a latest ${digest} hit`,
      `HEAD 200 0 inside/a ${digest} ${digest} hit`,
      'GET 404 98 inside/a gone  ',
      `GET 200 10 inside/a ${blob.descriptor.digest} ${blob.descriptor.digest} hit`,
      'GET 200 2    ',
    ])
  })
})

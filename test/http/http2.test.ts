import assert from 'node:assert/strict'
import { once } from 'node:events'
import { constants } from 'node:http2'
import { describe, it } from 'node:test'
import { askHttp2, openHttp2 } from '../tls/asking.ts'
import { blobOf, contentOf, manifestOf, seededBytes, serve, type Serving, until } from './serving.ts'

const blobPath = `/v2/a/blobs/sha256:${'ab'.repeat(32)}`
const bytes = seededBytes(1_000_000)

function serveHttp2(content: Parameters<typeof contentOf>[0]): Promise<Serving> {
  return serve({ content: contentOf(content) }, { host: '127.0.0.1', port: 0 }, { http2: true })
}

const urlOf = ({ port }: Serving) => `http://127.0.0.1:${port}`

describe('answers over HTTP/2', () => {
  it('a body that breaks off is never taken for the whole', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, 100_000)
      throw new Error('the disk broke')
    }
    await using serving = await serveHttp2({ findBlob: async () => blobOf(bytes, 65_536, { open: broken }) })
    await using session = await openHttp2(urlOf(serving))
    await assert.rejects(askHttp2(session, blobPath), { code: 'ERR_HTTP2_STREAM_ERROR' })
    await until('the request is over', () => serving.requests.size === 0)
  })

  it('a client that leaves ends its request, and no other on its connection', async () => {
    const signals: AbortSignal[] = []
    await using serving = await serveHttp2({
      findManifest: (_name, _reference, signal) =>
        new Promise((_resolve, reject) => {
          signals.push(signal)
          signal.addEventListener('abort', () => reject(signal.reason))
        }),
      describeManifest: async () => manifestOf('{}'),
    })
    await using session = await openHttp2(urlOf(serving))
    const leaving = session.request({ ':path': '/v2/a/manifests/latest' })
    await until('the request runs', () => signals.length === 1)
    leaving.close(constants.NGHTTP2_CANCEL)
    await once(leaving, 'close')
    await until('its signal aborts', () => signals[0]?.aborted === true)
    assert.equal((await askHttp2(session, '/v2/')).status, 200)
  })

  it('headers of connections are left out, as HTTP/2 has none', async () => {
    await using serving = await serveHttp2({})
    await using session = await openHttp2(urlOf(serving))
    const refused = await askHttp2(session, '/v2/a/tags/list', { method: 'PUT', body: bytes, headers: { expect: '100-continue' } })
    assert.deepEqual([refused.status, refused.headers['connection']], [405, undefined])
  })
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { BlobHandle } from '../../src/content.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { ask, blobOf, bodyOf, contentOf, seededBytes, serve, until } from './serving.ts'

const bytes = seededBytes(24_000_001)
const wanted = digestOf(bytes)
const path = `/v2/library/nginx/blobs/${wanted}`
const get = `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`
let folder = ''
let file = ''

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'entrepot-sendfile-'))
  file = join(folder, 'blob')
  await writeFile(file, bytes)
})
after(() => rm(folder, { recursive: true }))

const whole = blobOf(bytes)
/** Fails the test where sendfile(2) is not used. */
const fileOnly = (): BlobHandle => ({ ...whole, file, open: () => assert.fail('chunks were asked for') })
const serving = (handle: BlobHandle, sendfile = true) => serve({ sendfile, content: contentOf({ findBlob: async () => handle }) })

describe('a blob that is a file', { skip: process.platform === 'linux' ? false : 'sendfile(2) is used on Linux only' }, () => {
  it('goes out whole and right without its chunks', async () => {
    await using server = await serving(fileOnly())
    const { status, body } = await ask(server.port, path)
    assert.deepEqual([status, digestOf(body)], [200, wanted])
  })

  for (const [start, end] of [
    [0, 0],
    [1, 24_000_000],
    [12_345_678, 24_000_000],
    [7, 5_000_007],
  ] as const) {
    it(`bytes ${start}-${end} are right`, async () => {
      await using server = await serving({ ...whole, file })
      const { status, body } = await ask(server.port, path, { headers: { range: `bytes=${start}-${end}` } })
      assert.equal(status, 206)
      assert.ok(body.equals(bytes.subarray(start, end + 1)))
    })
  }

  it('goes to a reader that stops and goes on', async () => {
    await using server = await serving(fileOnly())
    const socket = connect(server.port, '127.0.0.1')
    socket.write(get)
    const chunks: Buffer[] = []
    for await (const chunk of socket) {
      chunks.push(chunk as Buffer)
      if (chunks.length % 20 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    assert.equal(digestOf(bodyOf({ bytes: Buffer.concat(chunks), ending: 'fin' })), wanted)
  })

  it('goes to many at once, and to the next on the same connection', async () => {
    await using server = await serving(fileOnly())
    const answers = await Promise.all(Array.from({ length: 5 }, () => ask(server.port, path)))
    for (const { body } of answers) assert.equal(digestOf(body), wanted)
    const socket = connect(server.port, '127.0.0.1')
    socket.write(get.replace('Connection: close\r\n', '') + get)
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk as Buffer)
    const all = Buffer.concat(chunks)
    const first = bodyOf({ bytes: all, ending: 'fin' })
    assert.equal(digestOf(first.subarray(0, bytes.length)), wanted)
    assert.equal(digestOf(bodyOf({ bytes: first.subarray(bytes.length), ending: 'fin' })), wanted)
  })

  it('a client that leaves in the middle ends it quietly', async () => {
    await using server = await serving({ ...whole, file })
    for (const leaveAt of [1, 100_000, 5_000_000]) {
      const socket = connect(server.port, '127.0.0.1')
      socket.write(get)
      let received = 0
      socket.on('data', (chunk: Buffer) => {
        received += chunk.length
        if (received >= leaveAt) socket.destroy()
      })
      await once(socket, 'close')
    }
    await until('the requests are over', () => server.requests.size === 0)
    assert.deepEqual(
      server.log.filter(({ level }) => level !== 'debug'),
      [],
    )
    assert.equal(digestOf((await ask(server.port, path)).body), wanted)
  })

  it('a file that is gone, or not as large as promised, is sent by chunks', async () => {
    for (const size of [undefined, 1000, 24_000_002]) {
      const other = join(folder, 'other')
      if (size !== undefined) {
        await writeFile(other, '')
        await truncate(other, size)
      }
      await using server = await serving({ ...whole, file: other })
      assert.equal(digestOf((await ask(server.port, path)).body), wanted)
      await rm(other, { force: true })
    }
  })

  it('a file that shrinks on the way is made up for by chunks', async () => {
    const shrinking = join(folder, 'shrinking')
    await writeFile(shrinking, bytes)
    await using server = await serving({ ...whole, file: shrinking })
    const socket = connect(server.port, '127.0.0.1')
    socket.write(get)
    await once(socket, 'readable')
    await truncate(shrinking, 20_000_000)
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk as Buffer)
    assert.equal(digestOf(bodyOf({ bytes: Buffer.concat(chunks), ending: 'fin' })), wanted)
  })

  it('can be switched off', async () => {
    await using server = await serving({ ...whole, file: join(folder, 'never-opened') }, false)
    assert.equal(digestOf((await ask(server.port, path)).body), wanted)
  })
})

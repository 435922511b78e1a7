import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import type { BlobHandle } from '../../src/content.ts'
import { ask, blobOf, bodyOf, contentOf, endOf, raw, seededBytes, serve, statusLineOf, until } from './serving.ts'

const bytes = seededBytes(3_000_000)
const path = `/v2/library/nginx/blobs/sha256:${'ab'.repeat(32)}`
const get = `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`

const serving = (handle: BlobHandle) => serve({ content: contentOf({ findBlob: async () => handle }) })

/** Gives `count` bytes and then fails. */
function failingAfter(count: number, error: Error): BlobHandle {
  return blobOf(bytes, 65_536, {
    async *open() {
      for (let at = 0; at < count; at += 65_536) yield bytes.subarray(at, Math.min(count, at + 65_536))
      throw error
    },
  })
}

describe('a body that fails in the middle', () => {
  for (const count of [0, 1, 65_536, 1_000_000, 2_999_999]) {
    it(`after ${count} bytes: the client gets these, then the connection ends by FIN`, async () => {
      await using server = await serving(failingAfter(count, new Error('the disk is gone: /var/lib')))
      const answer = await raw(server.port, get)
      assert.equal(statusLineOf(answer), 'HTTP/1.1 200 OK')
      assert.match(answer.bytes.toString('latin1'), /Content-Length: 3000000/)
      assert.equal(answer.ending, 'fin')
      assert.ok(bodyOf(answer).equals(bytes.subarray(0, count)))
      assert.equal(server.log.filter(({ level }) => level === 'error').length, 1)
    })
  }

  for (const [name, unread] of [
    ['a pipelined request', get],
    ['junk', '\x00\x01\x02 junk \r\n\r\n'],
    ['a megabyte of junk', 'z'.repeat(1_000_000)],
    ['many requests', get.repeat(20)],
  ] as const) {
    it(`FIN also with ${name} unread on the connection`, async () => {
      let fail: (() => void) | undefined
      await using server = await serving(
        blobOf(bytes, 65_536, {
          async *open() {
            yield bytes.subarray(0, 65_536)
            await new Promise<void>((resolve) => (fail = resolve))
            throw new Error('upstream is gone')
          },
        }),
      )
      const socket = connect(server.port, '127.0.0.1')
      const end = endOf(socket)
      socket.write(get.replace('\r\n\r\n', '\r\nContent-Length: 300000\r\n\r\n'))
      await until('the transfer waits', () => fail !== undefined)
      // The body that was announced, and then what nobody will read.
      socket.write('y'.repeat(300_000) + unread)
      await until('all is in the hands of the system', () => socket.writableLength === 0)
      fail?.()
      const answer = await end
      assert.equal(answer.ending, 'fin')
      assert.ok(bodyOf(answer).equals(bytes.subarray(0, 65_536)))
    })
  }

  it('fewer or more bytes than promised are a failure, not a whole body', async () => {
    for (const real of [bytes.subarray(0, 70_000), Buffer.concat([bytes, bytes.subarray(0, 9)])]) {
      const { descriptor } = blobOf(bytes)
      await using server = await serving({ ...blobOf(real, 65_536), descriptor })
      const answer = await raw(server.port, get)
      assert.equal(answer.ending, 'fin')
      assert.ok(bodyOf(answer).length < bytes.length)
    }
  })

  it('before the first byte, while finding: an error answer', async () => {
    await using server = await serve({ content: contentOf({ findBlob: () => Promise.reject(new Error('x')) }) })
    assert.equal((await ask(server.port, path)).status, 500)
  })
})

describe('sending', () => {
  it('headers are out before the first byte is there', async () => {
    let give: (() => void) | undefined
    await using server = await serving(
      blobOf(bytes.subarray(0, 10), 10, {
        async *open() {
          await new Promise<void>((resolve) => (give = resolve))
          yield bytes.subarray(0, 10)
        },
      }),
    )
    const socket = connect(server.port, '127.0.0.1')
    socket.write(get)
    const [head] = (await once(socket, 'data')) as [Buffer]
    assert.match(head.toString(), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n$/)
    give?.()
    const [body] = (await once(socket, 'data')) as [Buffer]
    assert.ok(body.equals(bytes.subarray(0, 10)))
    socket.destroy()
  })

  it('a connection stays usable after a blob', async () => {
    await using server = await serving(blobOf(bytes))
    const answer = await raw(server.port, get + get.replace('\r\n\r\n', '\r\nRange: bytes=1-3\r\nConnection: close\r\n\r\n'))
    const body = bodyOf(answer)
    assert.ok(body.subarray(0, bytes.length).equals(bytes))
    assert.match(body.subarray(bytes.length).toString('latin1'), /^HTTP\/1\.1 206 /)
  })

  it('the next chunk is asked for only when the connection took the last', async () => {
    let asked = 0
    await using server = await serving(
      blobOf(Buffer.alloc(64_000_000), 65_536, {
        async *open() {
          const chunk = Buffer.alloc(65_536)
          for (; asked < 976; asked += 1) yield chunk
          yield chunk.subarray(0, 64_000_000 - 976 * 65_536)
        },
      }),
    )
    const socket = connect(server.port, '127.0.0.1')
    let received = 0
    socket.on('data', (chunk: Buffer) => (received += chunk.length))
    socket.write(get)
    await once(socket, 'data')
    socket.pause()
    // With the buffers of both ends full nothing moves, however many turns pass.
    let before = -1
    for (let turns = 0; before !== asked || turns < 200; turns += 1) {
      before = asked
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.ok(asked < 500, `${asked} chunks were asked for`)
    socket.resume()
    await until('everything came', () => received >= 64_000_000)
    socket.destroy()
  })

  it('a slow reader gets everything right', async () => {
    await using server = await serving(blobOf(bytes, 50_000))
    const socket = connect({ port: server.port, host: '127.0.0.1', highWaterMark: 4096 } as never)
    socket.write(get.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
    const chunks: Buffer[] = []
    for await (const chunk of socket) {
      chunks.push(chunk as Buffer)
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.ok(bodyOf({ bytes: Buffer.concat(chunks), ending: 'fin' }).equals(bytes))
  })
})

describe('a client that leaves', () => {
  for (const offset of [0, 1, 1000, 65_536, 1_500_000]) {
    it(`after ${offset} bytes ends its own transfer, and nobody else's`, async () => {
      let [open, left] = [0, 0]
      const whole = blobOf(bytes, 10_000)
      await using server = await serving({
        ...whole,
        async *open(range, signal) {
          open += 1
          try {
            // As one whose next byte may never come.
            for await (const chunk of whole.open(range, signal)) {
              signal.throwIfAborted()
              yield chunk
            }
            if (range !== undefined) return
            await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
          } finally {
            if (range === undefined) left += 1
          }
        },
      })
      const socket = connect(server.port, '127.0.0.1')
      let received = 0
      socket.on('data', (chunk: Buffer) => {
        received += chunk.length
        if (received >= offset) socket.destroy()
      })
      socket.write(get)
      const other = ask(server.port, path, { headers: { range: 'bytes=10-' } })
      await until('the transfer began', () => open > 0)
      if (offset === 0) socket.destroy()
      await until('its generator was ended', () => left === 1)
      await until('its request is over', () => server.requests.size <= 1)
      assert.ok((await other).body.equals(bytes.subarray(10)))
      assert.deepEqual(
        server.log.filter(({ level }) => level !== 'debug'),
        [],
      )
    })
  }

  it('while content is looked for aborts the search', async () => {
    let signal: AbortSignal | undefined
    await using server = await serve({
      content: contentOf({
        findBlob: (_name, _digest, given) => {
          signal = given
          return new Promise((_resolve, reject) => given.addEventListener('abort', () => reject(given.reason)))
        },
      }),
    })
    const socket = connect(server.port, '127.0.0.1')
    socket.write(get)
    await until('content is asked', () => signal !== undefined)
    assert.equal(signal?.aborted, false)
    socket.destroy()
    await until('the signal aborts', () => signal?.aborted === true)
    await until('the request is over', () => server.requests.size === 0)
    assert.deepEqual(
      server.log.filter(({ level }) => level !== 'debug'),
      [],
    )
  })

  it('a request that is answered never aborts', async () => {
    const signals: AbortSignal[] = []
    const blob = blobOf(bytes)
    await using server = await serve({
      content: contentOf({
        async findBlob(_name, _digest, signal) {
          signals.push(signal)
          return blob
        },
      }),
    })
    await ask(server.port, path)
    await until('the request is over', () => server.requests.size === 0)
    assert.deepEqual(
      signals.map(({ aborted }) => aborted),
      [false],
    )
  })
})

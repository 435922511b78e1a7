import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { bodyOf as requestBodyOf } from '../../src/http/request-body.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { ask, bodyOf, endOf, raw, seededBytes, serve, statusLineOf, until } from './serving.ts'
import { pathOf, serveOwn, withDigest, withoutState } from './writing.ts'

const bytes = seededBytes(300_000)
const digest = digestOf(bytes)
const mebibyte = Buffer.alloc(1024 * 1024)

/** Everything that comes until it ends with `text`. */
async function heard(socket: Socket, text: string): Promise<string> {
  let all = ''
  const listen = (chunk: Buffer) => {
    all += chunk.toString('latin1')
  }
  socket.on('data', listen)
  await until(`${text} is heard`, () => all.includes(text))
  socket.off('data', listen)
  return all
}

function head(method: string, path: string, ...headers: string[]): string {
  return [`${method} ${path} HTTP/1.1`, 'Host: x', ...headers, '', ''].join('\r\n')
}

describe('Expect: 100-continue', () => {
  const expecting = ['Expect: 100-continue', `Content-Length: ${bytes.length}`]

  it('is granted where the body is wanted', async () => {
    await using serving = await serveOwn()
    const path = pathOf(withDigest(await serving.begin(), digest))
    const socket = connect(serving.port, '127.0.0.1')
    socket.write(head('PUT', path, ...expecting))
    assert.equal(await heard(socket, '\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n')
    socket.write(bytes)
    assert.match(await heard(socket, '\r\n\r\n'), /^HTTP\/1\.1 201 /)
    assert.deepEqual(serving.store.blobs.get(`a/b@${digest}`), bytes)
    socket.destroy()
  })

  const refusals: [string, string, string][] = [
    ['PUT', '/v2/a/b/blobs/uploads/5d06a6bd-6f4c-4d8f-8f54-5d5f4f9a3c11', '400'],
    ['PATCH', '/v2/a/b/blobs/uploads/5d06a6bd-6f4c-4d8f-8f54-5d5f4f9a3c11', '404'],
    ['POST', '/v2/A/B/blobs/uploads/?digest=x', '400'],
    ['POST', '/v2/_catalog', '405'],
    ['PUT', '/nowhere', '404'],
  ]
  for (const [method, path, status] of refusals) {
    it(`is not granted to ${method} ${path.slice(0, 22)}, which is ${status}`, async () => {
      await using serving = await serveOwn()
      const socket = connect(serving.port, '127.0.0.1')
      socket.write(head(method, path, ...expecting))
      const answer = await heard(socket, '\r\n\r\n')
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} [^]*\r\nConnection: close\r\n`))
      // The client takes its answer and does not send what nobody wants.
      const ended = endOf(socket)
      socket.end()
      assert.equal((await ended).ending, 'fin')
    })
  }

  it('is not granted to a manifest that is too large', async () => {
    await using serving = await serveOwn()
    const socket = connect(serving.port, '127.0.0.1')
    socket.write(head('PUT', '/v2/a/b/manifests/x', 'Expect: 100-continue', 'Content-Length: 5000000'))
    assert.match(await heard(socket, '\r\n\r\n'), /^HTTP\/1\.1 413 /)
    socket.destroy()
  })
})

describe('a body that nobody wants', () => {
  it('does not cost the connection when it is small', async () => {
    await using serving = await serve()
    const socket = connect(serving.port, '127.0.0.1')
    socket.write(head('PUT', '/v2/a/manifests/x', `Content-Length: ${bytes.length}`))
    assert.match(await heard(socket, '}\n'), /^HTTP\/1\.1 405 /)
    socket.write(bytes)
    socket.write(head('GET', '/v2/', 'Connection: close'))
    const answer = await endOf(socket)
    assert.deepEqual([statusLineOf(answer), answer.ending], ['HTTP/1.1 200 OK', 'fin'])
  })

  for (const [what, ...headers] of [
    ['of a length', `Content-Length: ${1024 * mebibyte.length}`],
    ['of a length, on a connection that is to be closed', `Content-Length: ${1024 * mebibyte.length}`, 'Connection: close'],
    ['without a length', 'Transfer-Encoding: chunked'],
  ]) {
    it(`and never ends (${what}) is given up, and its client reads a whole answer and an orderly end`, async () => {
      await using serving = await serve()
      const socket = connect(serving.port, '127.0.0.1')
      const ended = endOf(socket)
      socket.write(head('PUT', '/v2/a/manifests/x', ...headers))
      let sent = 0
      while (!socket.readableEnded && sent < 200) {
        if (headers[0]?.startsWith('Transfer') === true) socket.write(`${mebibyte.length.toString(16)}\r\n`)
        const isTaken = socket.write(mebibyte)
        if (headers[0]?.startsWith('Transfer') === true) socket.write('\r\n')
        sent += 1
        if (!isTaken) await Promise.race([once(socket, 'drain'), ended])
      }
      const answer = await ended
      assert.equal(answer.ending, 'fin')
      assert.match(statusLineOf(answer), / 405 /)
      assert.equal(bodyOf(answer).toString(), '{"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported."}]}\n')
      assert.ok(sent < 200, 'it was read to the end')
      socket.destroy()
      await until('the request is over', () => serving.requests.size === 0)
    })
  }
})

describe('a client that leaves in the middle', () => {
  for (const leave of ['destroy', 'end', 'resetAndDestroy'] as const) {
    it(`by ${leave} leaves what came`, async () => {
      await using serving = await serveOwn()
      const location = withoutState(await serving.begin())
      const socket = connect(serving.port, '127.0.0.1').on('error', () => undefined)
      socket.resume()
      socket.write(head('PATCH', pathOf(location), `Content-Length: ${bytes.length}`))
      socket.write(bytes.subarray(0, 100_000))
      const id = location.slice(location.lastIndexOf('/') + 1)
      await until('the bytes are there', () => serving.store.bytesOf(id).length === 100_000)
      socket[leave]()
      await until('the request is over', () => serving.requests.size === 0)
      const status = await serving.ask(location)
      assert.deepEqual([status.status, status.headers['range']], [204, '0-99999'])
      const done = await serving.ask(withDigest(location, digest), { method: 'PUT', body: bytes.subarray(100_000) })
      assert.equal(done.status, 201)
      assert.deepEqual(
        serving.log.filter(({ level }) => level === 'warn' || level === 'error'),
        [],
      )
    })
  }

  it('of a push in one request leaves nothing', async () => {
    await using serving = await serveOwn()
    const socket = connect(serving.port, '127.0.0.1')
    socket.write(head('POST', `/v2/a/b/blobs/uploads/?digest=${digest}`, `Content-Length: ${bytes.length}`))
    socket.write(bytes.subarray(0, 100_000))
    await until('the bytes are there', () => [...serving.store.uploads.keys()].some((id) => serving.store.bytesOf(id).length === 100_000))
    socket.destroy()
    await until('the upload is gone', () => serving.store.uploads.size === 0)
  })
})

describe('a store that is slow', () => {
  it('slows its client down, and nobody else', async () => {
    await using serving = await serveOwn()
    let go: (() => void) | undefined
    const gate = new Promise<void>((resolve) => {
      go = resolve
    })
    const append = serving.store.appendToUpload.bind(serving.store)
    serving.store.appendToUpload = async (repository, id, { offset, body }) => {
      async function* gated() {
        for await (const chunk of body) {
          await gate
          yield chunk
        }
      }
      return append(repository, id, { offset, body: gated() })
    }
    const location = pathOf(await serving.begin())
    const size = 48 * mebibyte.length
    const pushed = ask(serving.port, location, { method: 'PATCH', body: Buffer.alloc(size) })
    await until('it is begun', () => serving.requests.size === 1)
    const [socket] = serving.requests.sockets()
    for (let turn = 0; turn < 50; turn += 1) assert.equal((await ask(serving.port, '/v2/')).status, 200)
    assert.ok((socket?.bytesRead ?? size) < 2 * mebibyte.length, `${socket?.bytesRead} bytes were taken`)
    go?.()
    assert.equal((await pushed).headers['range'], `0-${size - 1}`)
  })
})

describe('a body that is not as long as it says', () => {
  it('ends the request when it is shorter', async () => {
    await using serving = await serveOwn()
    const path = pathOf(withDigest(await serving.begin(), digest))
    const socket = connect(serving.port, '127.0.0.1')
    socket.end(head('PUT', path, 'Content-Length: 1000') + 'x'.repeat(999))
    assert.doesNotMatch((await endOf(socket)).bytes.toString(), / 20\d /)
    assert.equal(serving.store.blobs.size, 0)
  })

  it('is refused with two lengths, or a length and chunks', async () => {
    await using serving = await serveOwn()
    const path = pathOf(await serving.begin())
    for (const headers of [
      ['Content-Length: 1', 'Content-Length: 2'],
      ['Content-Length: 1', 'Transfer-Encoding: chunked'],
      ['Content-Length: -1'],
      ['Content-Length: 1x'],
    ]) {
      assert.match(statusLineOf(await raw(serving.port, `${head('PATCH', path, ...headers)}1\r\nx\r\n0\r\n\r\n`)), / 400 /)
    }
  })
})

describe('a body whose client falls silent', () => {
  /** What comes of a request whose body may be silent for so long. */
  async function reading(silenceMs: number) {
    const end = Promise.withResolvers<{ readonly length: number; readonly error?: string }>()
    const take = async (req: IncomingMessage, res: ServerResponse) => {
      let length = 0
      try {
        for await (const chunk of requestBodyOf({ req, res }, silenceMs)) length += chunk.length
        end.resolve({ length })
      } catch (error) {
        end.resolve({ length, error: String(error) })
      }
    }
    const server = createServer((req, res) => void take(req, res)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket.on('error', () => undefined)
    const closed = once(server, 'close')
    const leave = async () => {
      socket.destroy()
      server.close()
      await closed
    }
    return { socket, ended: end.promise, [Symbol.asyncDispose]: () => leave() }
  }

  it('is given up, and its connection ends', async () => {
    await using request = await reading(50)
    request.socket.write(`${head('PATCH', '/', 'Content-Length: 100')}some of it`)
    const closed = once(request.socket, 'close')
    assert.deepEqual(await request.ended, { length: 10, error: 'Error: the client sent nothing for 50 ms' })
    await closed
  })

  it('is waited for when it is slow only', async () => {
    await using request = await reading(400)
    const startedAt = performance.now()
    request.socket.write(head('PATCH', '/', 'Content-Length: 12'))
    for (let byte = 0; byte < 12; byte += 1) {
      request.socket.write('x')
      await pause(50)
    }
    assert.deepEqual(await request.ended, { length: 12 })
    assert.ok(performance.now() - startedAt > 400, 'longer in all than it may be silent')
  })
})

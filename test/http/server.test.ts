import assert from 'node:assert/strict'
import { once } from 'node:events'
import { access, mkdtemp, rm } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import { connect } from 'node:net'
import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { ask, blobOf, contentOf, endOf, manifestOf, seededBytes, serve, until } from './serving.ts'

const path = '/v2/library/nginx/manifests/latest'

describe('stopping', () => {
  it('lets what runs finish, takes nothing new, closes what is idle', async () => {
    let go: (() => void) | undefined
    await using serving = await serve({
      content: contentOf({
        async findManifest() {
          await new Promise<void>((resolve) => (go = resolve))
          return manifestOf('{}')
        },
      }),
    })
    const idle = connect(serving.port, '127.0.0.1')
    idle.write('GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n')
    await once(idle, 'data')
    const idleEnd = endOf(idle)
    const running = connect(serving.port, '127.0.0.1')
    running.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
    const runningEnd = endOf(running)
    await until('the request runs', () => go !== undefined)
    const drained = serving.server.drain(60_000)
    assert.equal((await idleEnd).ending, 'fin')
    await assert.rejects(ask(serving.port, '/v2/'), { code: 'ECONNREFUSED' })
    go?.()
    // Kept alive by its client, closed by us when its answer is out.
    const { bytes, ending } = await runningEnd
    assert.match(bytes.toString(), /^HTTP\/1\.1 200 OK[^]*\{\}$/)
    assert.equal(ending, 'fin')
    await drained
  })

  it('ends what does not finish in time', async () => {
    const signals: AbortSignal[] = []
    await using serving = await serve({
      content: contentOf({
        findManifest(_name, _reference, signal) {
          signals.push(signal)
          return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
        },
      }),
    })
    const asked = ask(serving.port, path).catch((error: unknown) => error)
    await until('the request runs', () => signals.length === 1)
    await serving.server.drain(1)
    assert.ok((await asked) instanceof Error)
    assert.equal(signals[0]?.aborted, true)
    await until('the request is over', () => serving.requests.size === 0)
  })

  it('a slow pull may end in its own time', async () => {
    const bytes = seededBytes(20_000_000)
    await using serving = await serve({ content: contentOf({ findBlob: async () => blobOf(bytes) }) })
    const socket = connect(serving.port, '127.0.0.1')
    socket.write(`GET /v2/a/blobs/sha256:${'ab'.repeat(32)} HTTP/1.1\r\nHost: x\r\n\r\n`)
    await once(socket, 'readable')
    const drained = serving.server.drain(60_000)
    let received = 0
    for await (const chunk of socket) received += (chunk as Buffer).length
    assert.ok(received > bytes.length)
    await drained
  })

  it('twice is once', async () => {
    const serving = await serve()
    await Promise.all([serving.server.drain(1000), serving.server.drain(1000)])
  })
})

describe('listening', () => {
  it('on an address in use fails', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as { port: number }
    await assert.rejects(serve({}, { host: '127.0.0.1', port }), { code: 'EADDRINUSE' })
    other.close()
  })

  it('on every address when no host is given', async () => {
    await using serving = await serve({}, { port: 0 })
    assert.match(serving.server.address, /^(\[::\]|0\.0\.0\.0):\d+$/)
    assert.equal((await ask(serving.port, '/v2/')).status, 200)
  })

  it('on a Unix socket, also where a killed process left one behind, never over a living one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'entrepot-listen-'))
    const socketPath = join(folder, 'registry.sock')
    const killed = spawn(process.execPath, [
      '-e',
      `require('net').createServer().listen(${JSON.stringify(socketPath)}, () => console.log('up'))`,
    ])
    await once(killed.stdout, 'data')
    await assert.rejects(serve({}, { path: socketPath }), { code: 'EADDRINUSE' })
    killed.kill('SIGKILL')
    await once(killed, 'exit')
    await access(socketPath)
    {
      await using serving = await serve({}, { path: socketPath })
      assert.deepEqual([serving.server.address, serving.server.port], [socketPath, undefined])
      const asked = request({ socketPath, path: '/v2/', agent: false }).end()
      const [response] = await once(asked, 'response')
      assert.equal(response.statusCode, 200)
      response.resume()
      await once(response, 'end')
    }
    await rm(folder, { recursive: true })
  })
})

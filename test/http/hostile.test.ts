import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import { ask, contentOf, endOf, manifestOf, raw, serve, statusLineOf, until } from './serving.ts'

const digest = `sha256:${'ab'.repeat(32)}`
const closing = 'Host: x\r\nConnection: close\r\n\r\n'

describe('names that try to leave their place', () => {
  const dots = [
    '..',
    '%2e%2e',
    '%2E%2e',
    '.%2e',
    '%252e%252e',
    '..%2f..',
    'a%2f..%2f..%2fetc',
    '..%5c..',
    'a/../b',
    'a//b',
    '/etc/passwd',
    'a%00b',
    '%',
    '%zz',
    '%c0%ae',
    '%ff',
  ]
  const slashes = ['library%2fnginx', 'library%2Fnginx', 'a%2fb/c', '%2f', '%2fetc%2fpasswd']

  it('get 400 or 404 as a repository, and the content is never asked', async () => {
    // contentOf({}) would make it a 500.
    await using serving = await serve()
    for (const name of [...dots, ...slashes, 'UPPER/Case', 'a'.repeat(256), 'a b', 'a%20b', '-a', 'a_', 'a:b']) {
      for (const rest of ['manifests/latest', `blobs/${digest}`, 'tags/list', `referrers/${digest}`]) {
        const status = Number(statusLineOf(await raw(serving.port, `GET /v2/${name}/${rest} HTTP/1.1\r\n${closing}`)).split(' ')[1])
        assert.ok(status === 400 || status === 404, `${name}/${rest}: ${status}`)
      }
    }
  })

  it('get 400 or 404 as a reference or digest', async () => {
    await using serving = await serve()
    for (const reference of [
      ...dots,
      '..%2f..%2fx',
      'a%2fb',
      `${digest}%2f..`,
      'sha256:zz',
      'sha256%3a..',
      'x'.repeat(129),
      '.hidden',
      '-x',
      'sha256:',
      ':',
    ]) {
      for (const kind of ['manifests', 'blobs', 'referrers']) {
        const status = Number(
          statusLineOf(await raw(serving.port, `GET /v2/library/nginx/${kind}/${reference} HTTP/1.1\r\n${closing}`)).split(' ')[1],
        )
        assert.ok(status === 400 || status === 404, `${kind}/${reference}: ${status}`)
      }
    }
  })

  it('a target in absolute form is taken by its path', async () => {
    await using serving = await serve({ content: contentOf({ findManifest: async () => manifestOf('{}') }) })
    assert.match(statusLineOf(await raw(serving.port, `GET http://x/v2/a/manifests/b HTTP/1.1\r\n${closing}`)), / 200 /)
    assert.match(statusLineOf(await raw(serving.port, `GET http://x HTTP/1.1\r\n${closing}`)), / 200 /)
    assert.match(statusLineOf(await raw(serving.port, `OPTIONS * HTTP/1.1\r\n${closing}`)), / 404 /)
  })
})

describe('what is hardly HTTP', () => {
  it('headers that are too large get 431 and an orderly end', async () => {
    await using serving = await serve()
    for (const size of [40_000, 1_000_000]) {
      const answer = await raw(serving.port, `GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(size)}\r\n\r\n`)
      assert.match(statusLineOf(answer), /^HTTP\/1\.1 431 /)
      assert.equal(answer.ending, 'fin')
    }
    const fits = await raw(serving.port, `GET /v2/ HTTP/1.1\r\nX-Large: ${'x'.repeat(30_000)}\r\n${closing}`)
    assert.match(statusLineOf(fits), / 200 /)
  })

  it('junk gets 400 and an orderly end', async () => {
    await using serving = await serve()
    for (const junk of [
      '\x16\x03\x01\x02\x00\x01',
      'hello\r\n\r\n',
      `GET /v2/ HTTP/1.1\r\nBad Header: x\r\n${closing}`,
      'BREW /v2/ HTTP/1.1\r\n\r\n',
    ]) {
      const answer = await raw(serving.port, Buffer.from(junk, 'latin1'))
      assert.match(statusLineOf(answer), /^HTTP\/1\.1 400 /, JSON.stringify(junk))
      assert.equal(answer.ending, 'fin')
    }
    assert.equal((await ask(serving.port, '/v2/')).status, 200)
  })

  it('junk behind a good request does not cost the good one its answer', async () => {
    await using serving = await serve()
    const { bytes } = await raw(serving.port, `GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n\x00\x01junk\r\n\r\n`)
    assert.match(bytes.toString(), /^HTTP\/1\.1 (200|400) /)
    assert.equal((await ask(serving.port, '/v2/')).status, 200)
  })

  it('pipelined requests are answered in order, each begun when its turn has come', async () => {
    const running: string[] = []
    const gates = new Map<string, () => void>()
    await using serving = await serve({
      content: contentOf({
        async findManifest(_name, reference) {
          running.push(reference)
          await new Promise<void>((resolve) => gates.set(reference, resolve))
          return manifestOf(`"${reference}"`)
        },
      }),
    })
    const socket = connect(serving.port, '127.0.0.1')
    const end = endOf(socket)
    socket.write(`GET /v2/a/manifests/one HTTP/1.1\r\nHost: x\r\n\r\nGET /v2/a/manifests/two HTTP/1.1\r\n${closing}`)
    await until('the first is asked', () => gates.has('one'))
    assert.deepEqual(running, ['one'])
    gates.get('one')?.()
    await until('the second is asked', () => gates.has('two'))
    gates.get('two')?.()
    assert.match((await end).bytes.toString(), /200 OK[^]*"one"HTTP\/1\.1 200 OK[^]*"two"$/)
  })

  it('a flood of pipelined requests ends the connection, and with it the one that ran', async () => {
    let aborted = 0
    await using serving = await serve({
      content: contentOf({
        findManifest: (_name, _reference, signal) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => {
              aborted += 1
              reject(signal.reason)
            })
          }),
      }),
    })
    await raw(serving.port, 'GET /v2/a/manifests/b HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(1000))
    await until('the request is ended', () => serving.requests.size === 0)
    assert.equal(aborted, 1)
  })
})

describe('1,000 idle connections', () => {
  it('do not keep others from being served', async () => {
    await using serving = await serve({ content: contentOf({ findManifest: async () => manifestOf('{}') }) })
    const idle = await Promise.all(
      Array.from({ length: 1000 }, async (_, index) => {
        const socket = connect(serving.port, '127.0.0.1')
        await once(socket, 'connect')
        // Half of them have begun to ask and stopped.
        if (index % 2 === 0) socket.write('GET /v2/ HTTP/1.1\r\nHost:')
        return socket
      }),
    )
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask(serving.port, '/v2/library/nginx/manifests/latest')))
    assert.ok(answers.every(({ status }) => status === 200))
    assert.ok(idle.every((socket) => !socket.destroyed))
    const ended = Promise.all(idle.map((socket) => once(socket, 'close')))
    for (const socket of idle) socket.resume()
    // They never got to ask for anything, so a stop does not wait for them.
    await serving.server.drain(60_000)
    await ended
  })
})

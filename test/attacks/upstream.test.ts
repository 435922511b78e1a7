// An upstream that has been taken over: where it sends the mirror, and what of it clients get to see.
import assert from 'node:assert/strict'
import { createServer, type RequestListener, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { ask } from '../http/serving.ts'
import { startRegistry } from '../support/registry.ts'

const digest = `sha256:${'ab'.repeat(32)}`
const secrets = ['file:', 'passwd', 'evil.example', '169.254', '127.0.0.1', 'ECONN', 'ENOTFOUND', 'node:', '.ts:', '\x1b']

describe('an upstream that is hostile', () => {
  let upstream: Server
  let answer: RequestListener
  before(async () => {
    upstream = createServer((req, res) => answer(req, res)).listen(0, '127.0.0.1')
    await once(upstream, 'listening')
  })
  after(() => {
    upstream.closeAllConnections()
    upstream.close()
  })

  /** What clients are told, of each kind of content; and what the log has. */
  async function told(hostile: RequestListener): Promise<string> {
    answer = hostile
    const { port } = upstream.address() as AddressInfo
    const proxy = { username: 'mirror', password: 'the password of the mirror', connecttimeout: '1s', responseheadertimeout: '2s' }
    await using registry = await startRegistry({ upstream: `http://127.0.0.1:${port}`, proxy })
    for (const path of ['manifests/1', `manifests/${digest}`, `blobs/${digest}`, 'tags/list', `referrers/${digest}`]) {
      const { status, headers, body } = await ask(registry.port, `/v2/org/app/${path}`)
      assert.ok(status >= 400 || path.startsWith('referrers'), `${path}: ${status}`)
      assert.notEqual(status, 500, path)
      const text = `${JSON.stringify(headers)} ${body.toString('latin1')}`
      for (const secret of secrets) assert.ok(!text.includes(secret), `${path} tells ${secret}: ${text}`)
      assert.equal(headers['www-authenticate'], undefined)
      assert.equal(headers['location'], undefined)
    }
    assert.equal((await ask(registry.port, '/v2/')).status, 200)
    const log = registry.log.join('')
    assert.doesNotMatch(log, /the password of the mirror/)
    assert.doesNotMatch(log.replaceAll('\n', ''), /[\x00-\x1f\x7f-\x9f]/)
    return log
  }

  const targets = [
    'file:///etc/passwd',
    'gopher://evil.example/',
    'data:text/plain,hello',
    '//',
    'http://[::1',
    'javascript:alert(1)',
    '\\\\evil.example\\share',
  ]
  for (const location of targets) {
    it(`redirects to ${location}, and nobody goes there`, async () => {
      await told((_req, res) => res.writeHead(307, { Location: location }).end())
    })
  }

  it('redirects for ever', async () => {
    let asked = 0
    await told((_req, res) => {
      asked += 1
      res.writeHead(307, { Location: `/again/${asked}` }).end()
    })
    assert.ok(asked < 200, `${asked} requests`)
  })

  it('names somebody else’s token server, which never sees the password', async () => {
    const seen: (string | undefined)[] = []
    await using stranger = createServer((req, res) => {
      seen.push(req.headers.authorization)
      res.end('{"token":"x"}')
    }).listen(0, '127.0.0.2')
    await once(stranger, 'listening')
    const { port } = stranger.address() as AddressInfo
    for (const realm of [`http://127.0.0.2:${port}/token`, 'file:///etc/passwd', 'http://169.254.169.254/latest', '/token', '']) {
      await told((_req, res) => res.writeHead(401, { 'WWW-Authenticate': `Bearer realm="${realm}",service="x"` }).end())
    }
    assert.deepEqual(
      seen.filter((authorization) => authorization !== undefined),
      [],
    )
  })

  it('puts line ends, escapes and addresses into what it says', async () => {
    const words = 'evil.example \x1b[2J\r\nX-Evil: yes \u2028 127.0.0.1'
    for (const status of [400, 401, 403, 404, 405, 418, 429, 500, 503]) {
      await told((_req, res) => {
        const headers = {
          'Content-Type': 'application/json',
          'X-Evil': 'evil.example',
          Warning: '199 evil.example "x"',
          'Set-Cookie': 'a=evil.example',
        }
        res.writeHead(status, headers).end(JSON.stringify({ errors: [{ code: words, message: words, detail: words }] }))
      })
    }
  })

  it('sends what is no HTTP, or no end of headers', async () => {
    await told((req) => void req.socket.end('evil.example\x1b[2J\r\n\r\n'))
    await told((req) => void req.socket.end(`HTTP/1.1 200 OK\r\n${'X-Evil: evil.example\r\n'.repeat(20_000)}\r\n`))
    await told((req) => void req.socket.destroy())
  })
})

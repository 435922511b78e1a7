// Requests whose end is told in two ways, or in a way that servers read differently: directly, and through nginx and haproxy. What
// hides behind such a request must never be taken for a request of its own.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { needsPackages, programPath } from '../support/packages.ts'
import { type Registry, startRegistry } from '../support/registry.ts'
import { serverFolder, startServerProcess } from '../support/servers/process.ts'
import { startNginx } from '../support/servers/proxies.ts'
import { freePort } from '../support/free-port.ts'
import { until } from '../support/until.ts'
import { ask, raw } from './serving.ts'

const required = await needsPackages('http/smuggling', ['haproxy', 'nginx'])

const hidden = 'GET /v2/hidden/tags/list HTTP/1.1\r\nHost: x\r\n\r\n'
const post = (...lines: string[]) => ['POST /v2/a/blobs/uploads/ HTTP/1.1', 'Host: x', ...lines, '', ''].join('\r\n')

const attacks: Readonly<Record<string, string>> = {
  'a length and chunks': `${post(`Content-Length: ${5 + hidden.length}`, 'Transfer-Encoding: chunked')}0\r\n\r\n${hidden}`,
  'chunks and a length': `${post('Transfer-Encoding: chunked', 'Content-Length: 4')}0\r\n\r\n${hidden}`,
  'two lengths': `${post('Content-Length: 0', `Content-Length: ${hidden.length}`)}${hidden}`,
  'a list of lengths': `${post(`Content-Length: 0, ${hidden.length}`)}${hidden}`,
  'a length with a sign': `${post('Content-Length: +0')}${hidden}`,
  'a folded header': `${post('X-A: b', ` Content-Length: ${hidden.length}`)}${hidden}`,
  'a folded encoding': `${post('Transfer-Encoding:', ' chunked', `Content-Length: ${hidden.length}`)}0\r\n\r\n${hidden}`,
  'a space before the colon': `${post('Transfer-Encoding : chunked', `Content-Length: ${hidden.length}`)}0\r\n\r\n${hidden}`,
  'an encoding that is none': `${post('Transfer-Encoding: xchunked', 'Content-Length: 0')}${hidden}`,
  'an encoding behind chunked': `${post('Transfer-Encoding: chunked, identity')}0\r\n\r\n${hidden}`,
  'lines that end with LF': `POST /v2/a/blobs/uploads/ HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n0\n\n${hidden}`,
  'a chunk with a wrong size': `${post('Transfer-Encoding: chunked')}-1\r\n\r\n${hidden}`,
  'a chunk whose line ends with LF': `${post('Transfer-Encoding: chunked')}1;x\nA\r\n0\r\n\r\n${hidden}`,
  'a null byte in a header': `${post('X-A: b\0Content-Length: 0')}${hidden}`,
  'a CR alone in a header': `${post('X-A: b\rTransfer-Encoding: chunked')}0\r\n\r\n${hidden}`,
}

describe('requests that smuggle another one', required, () => {
  const parts = new AsyncDisposableStack()
  let registry: Registry
  const ports: Record<string, number> = {}
  let count = 0

  before(async () => {
    registry = parts.use(await startRegistry())
    ports['directly'] = registry.port
    const substitutions = { '127.0.0.1:5000': `127.0.0.1:${registry.port}` }
    ports['through nginx'] = parts.use(await startNginx({ example: 'nginx-http.conf', substitutions })).port
    const [folder, port] = [await serverFolder('haproxy'), await freePort()]
    const configuration = [
      'defaults',
      '  mode http',
      '  timeout connect 5s',
      '  timeout client 2s',
      '  timeout server 10s',
      '  http-reuse always',
      'frontend in',
      `  bind 127.0.0.1:${port}`,
      '  default_backend registry',
      'backend registry',
      `  server registry 127.0.0.1:${registry.port}`,
      '',
    ]
    await writeFile(join(folder, 'haproxy.cfg'), configuration.join('\n'))
    const args = ['-db', '-V', '-f', join(folder, 'haproxy.cfg')]
    parts.use(await startServerProcess({ folder, command: programPath('haproxy'), args, ready: /as the polling mechanism/ }))
    ports['through haproxy'] = port
  })
  after(() => parts.disposeAsync())

  for (const way of ['directly', 'through nginx', 'through haproxy']) {
    for (const [what, bytes] of Object.entries(attacks)) {
      it(`${way}: ${what}`, async () => {
        count += 1
        // As long as the word that it takes the place of.
        const name = `h${String(count).padStart(5, '0')}`
        // The end of what is sent ends the connection where a server waits for more.
        const { bytes: answer } = await raw(ports[way] ?? 0, bytes.replaceAll('hidden', name), { end: true })
        const statuses = answer.toString('latin1').match(/HTTP\/1\.1 \d+/g) ?? []
        if (way === 'directly') assert.deepEqual(statuses.slice(-1), ['HTTP/1.1 400'])
        // A request of somebody else over the same connections of the proxy gets its own answer.
        for (let times = 0; times < 2; times += 1) {
          const next = await ask(ports[way] ?? 0, '/v2/')
          assert.deepEqual([next.status, next.body.toString()], [200, '{}'])
        }
        await ask(registry.port, `/v2/after-${name}/tags/list`)
        await until('the log is written', () => registry.accessLog.join('').includes(`after-${name}`))
        const seen = registry.accessLog.join('').split(`GET /v2/${name}/tags/list`).length - 1
        // A proxy that takes it for a request of its own gives it an answer of its own: nobody was deceived.
        assert.ok(seen === 0 || (way !== 'directly' && statuses.length === seen + 1), `seen ${seen} times: ${statuses.join()}`)
      })
    }
  }
})

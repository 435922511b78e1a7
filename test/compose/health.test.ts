// Health as load balancers and probes see it: on the main port and on the debug address.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { test } from 'node:test'
import { startRegistry } from '../support/registry.ts'
import { until } from '../support/until.ts'

const debug = { addr: '127.0.0.1:0', net: 'tcp', debug: { addr: '127.0.0.1:0' } }

async function answerOf(url: string, method = 'GET'): Promise<[status: number, body: string]> {
  const response = await fetch(url, { method })
  return [response.status, await response.text()]
}

async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), 'entrepot-health-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

test('while a file is there that health.file names, every request is refused, and the debug address says why', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'down')
  await using registry = await startRegistry({ config: { http: debug, health: { file: [{ file, interval: '100ms' }] } } })
  assert.deepEqual(await answerOf(`${registry.url}/v2/`), [200, '{}'])
  assert.deepEqual(await answerOf(`${registry.debugUrl}/debug/health`), [200, '{}\n'])
  await writeFile(file, '')
  await until('it is noticed', async () => (await answerOf(`${registry.url}/`))[0] === 503)
  assert.deepEqual(await answerOf(`${registry.url}/v2/`), [
    503,
    '{"errors":[{"code":"UNAVAILABLE","message":"service unavailable","detail":"health check failed: please see /debug/health"}]}\n',
  ])
  assert.deepEqual(await answerOf(`${registry.debugUrl}/debug/health`), [503, `{${JSON.stringify(file)}:"file exists"}\n`])
  assert.equal((await answerOf(`${registry.debugUrl}/readyz`))[0], 503)
  assert.deepEqual(await answerOf(`${registry.debugUrl}/livez`), [200, 'ok\n'])
  await rm(file)
  await until('it is over', async () => (await answerOf(`${registry.url}/v2/`))[0] === 200)
  const [status, text] = await answerOf(`${registry.debugUrl}/readyz`)
  assert.deepEqual([status, JSON.parse(text)], [200, { status: 'ready', checks: { [file]: 'ok' }, troubles: {} }])
})

test('HTTP and TCP checks tell what is wrong, with the status and headers that they are given', async () => {
  let status = 204
  const seen: unknown[] = []
  const server = createServer((req, res) => {
    seen.push([req.method, req.headers['x-probe']])
    res.writeHead(status).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const [uri, addr, interval] = [`http://127.0.0.1:${port}/it`, `127.0.0.1:${port}`, '100ms']
  const health = {
    http: [{ uri, statuscode: 204, interval, timeout: '5s', headers: { 'X-Probe': ['a'] } }],
    tcp: [{ addr, interval, timeout: '5s' }],
    storagedriver: { enabled: true, interval },
  }
  try {
    await using registry = await startRegistry({ config: { http: debug, health } })
    const failures = async () => JSON.parse((await answerOf(`${registry.debugUrl}/debug/health`))[1]) as unknown
    await until('it is asked twice', () => seen.length > 1)
    assert.deepEqual([seen[0], await failures()], [['HEAD', 'a'], {}])
    status = 500
    await until('the status is noticed', async () => (await answerOf(`${registry.url}/`))[0] === 503)
    assert.deepEqual(await failures(), { [uri]: 'downstream service returned unexpected status: 500' })
    server.closeAllConnections()
    server.close()
    await until('both are noticed', async () => {
      const both = (await failures()) as Record<string, string>
      return both[addr] === `connection to ${addr} failed` && both[uri]?.startsWith('error while checking: ') === true
    })
    const [, text] = await answerOf(`${registry.debugUrl}/readyz`)
    assert.equal((JSON.parse(text) as { checks: Record<string, string> }).checks['storagedriver_filesystem'], 'ok')
  } finally {
    server.close()
  }
})

test('probes do not ask upstream and do not fail without it', async () => {
  await using registry = await startRegistry({ upstream: 'http://127.0.0.1:1', config: { http: debug } })
  assert.equal((await answerOf(`${registry.url}/v2/library/a/manifests/b`))[0], 502)
  assert.equal((await answerOf(`${registry.debugUrl}/readyz`))[0], 200)
  assert.equal((await answerOf(`${registry.debugUrl}/livez`))[0], 200)
  assert.deepEqual(await answerOf(`${registry.debugUrl}/debug/health`), [200, '{}\n'])
  assert.equal((await answerOf(`${registry.url}/v2/`))[0], 200)
})

test('the debug address knows its paths and methods', async () => {
  await using registry = await startRegistry({ config: { http: debug } })
  assert.equal((await answerOf(`${registry.debugUrl}/nowhere`))[0], 404)
  assert.equal((await answerOf(`${registry.debugUrl}/livez`, 'POST'))[0], 405)
  assert.deepEqual(await answerOf(`${registry.debugUrl}/livez?verbose`, 'HEAD'), [200, ''])
})

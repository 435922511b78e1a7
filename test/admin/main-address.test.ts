// The dashboard and its API on the registry's own address: only for those who may do everything, and never without authentication.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { hashSync } from 'bcryptjs'
import { startRegistry } from '../support/registry.ts'

const basic = (user: string) => ({ Authorization: `Basic ${Buffer.from(`${user}:pw`).toString('base64')}` })

test('the dashboard on the main address is for who may do everything with every repository', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-test-'))
  try {
    const path = join(folder, 'htpasswd')
    const hash = hashSync('pw', 4)
    await writeFile(path, `boss:${hash}\nreader:${hash}\n`)
    const access = [
      { user: 'boss', actions: ['*'] },
      { user: 'reader', actions: ['pull'] },
    ]
    const auth = { htpasswd: { realm: 'r', path }, access, anonymous: 'pull' }
    const http = { addr: '127.0.0.1:0', prefix: '/pfx/', dashboard: { enabled: true } }
    await using registry = await startRegistry({ upstream: 'http://127.0.0.1:9', config: { http, auth } })
    for (const place of ['dashboard/', 'admin/v1/status', 'dashboard/app.js']) {
      const ask = async (headers: Record<string, string>) => {
        const answer = await fetch(`${registry.url}/pfx/${place}`, { headers })
        await answer.text()
        return answer
      }
      const nobody = await ask({})
      assert.deepEqual([nobody.status, nobody.headers.get('www-authenticate')], [401, 'Basic realm="r"'], place)
      assert.equal((await ask(basic('reader'))).status, 403, place)
      assert.equal((await ask(basic('boss'))).status, 200, place)
    }
    assert.equal((await fetch(`${registry.url}/admin/v1/status`, { headers: basic('boss') })).status, 404)
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('the server does not start with a dashboard that everybody could use', async () => {
  const http = { addr: '127.0.0.1:0', dashboard: { enabled: true } }
  for (const auth of [undefined, { silly: { realm: 'r', service: 's' } }]) {
    await assert.rejects(
      startRegistry({ upstream: 'http://127.0.0.1:9', config: { http, ...(auth && { auth }) } }),
      /http\.dashboard\.enabled: needs auth/,
    )
  }
})

test('without dashboard.enabled the main address knows nothing of it', async () => {
  await using registry = await startRegistry({
    upstream: 'http://127.0.0.1:9',
    config: { http: { addr: '127.0.0.1:0', debug: { addr: '127.0.0.1:0' } } },
  })
  for (const place of ['dashboard/', 'admin/v1/status']) {
    assert.equal((await fetch(`${registry.url}/${place}`)).status, 404)
    assert.equal((await fetch(`${registry.debugUrl}/${place}`)).status, 200)
  }
})

// Where the dashboard and its API are: on the main address only for those who may do everything, and never without authentication; and
// what of it there is for a registry that mirrors nothing.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { hashSync } from 'bcryptjs'
import { ociImage } from '../support/images.ts'
import { startRegistry } from '../support/registry.ts'
import { pushImage } from '../support/servers/push.ts'
import { until } from '../support/until.ts'
import { asking, describedAnswers } from './asking.ts'

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

test('a registry of its own shows what was pushed to it, and lets nobody evict it', async () => {
  await using registry = await startRegistry({ config: { http: { addr: '127.0.0.1:0', debug: { addr: '127.0.0.1:0' } } } })
  const image = ociImage({ seed: 'pushed' })
  await pushImage({ url: registry.url }, 'team/app', image, ['1.0'])
  const { get, post } = asking(registry.debugUrl)
  const images = async () => ((await get('/images')).body as { images: { image: string; isOwn: boolean; platforms: string[] }[] }).images
  await until('it is shown', async () => (await images()).length > 0)
  const [found] = await images()
  assert.deepEqual([found?.image, found?.isOwn, found?.platforms], ['team/app:1.0', true, ['linux/amd64']])
  for (const action of ['/evict', '/refresh', '/pin']) assert.equal((await post(action, 'team/app:1.0')).status, 409, action)
  assert.equal(((await get('/status')).body as { mode: string }).mode, 'registry')
  assert.deepEqual(describedAnswers.misfits, [])
})

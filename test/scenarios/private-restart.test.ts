// A mirror of private images that is started anew, with the Hub or without it.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { statusOf } from '../auth/serving-htpasswd.ts'
import { startRegistry } from '../support/registry.ts'
import { until } from '../support/until.ts'
import { alice, open, secret, startPrivate, ttlMs } from './private.ts'

const proxy = { username: 'mirror', password: 'm', authorization: 'upstream', authorizationinsecure: true }
const manifestOf = (repository: string) => `/v2/${repository}/manifests/1`

test('what was public is served while the Hub is down, and nothing else; when it is back, it has the word again', async () => {
  await using parts = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-private-'))
  parts.defer(() => rm(folder, { recursive: true, force: true }))
  const notes = join(folder, 'entrepot', 'public.json')
  const scene = parts.use(await startPrivate({ folder }))
  const { hub, clock } = scene
  await scene.statuses('secret/app', secret, alice)
  await scene.statuses('open/app', open)
  await scene.registry[Symbol.asyncDispose]()
  const kept = await readFile(notes, 'utf8')
  assert.match(kept, /open\/app/)
  assert.doesNotMatch(kept, /secret|alice|wonder/)
  await hub.down()
  scene.later(ttlMs)
  const start = () => startRegistry({ upstream: hub.url, folder, proxy, clock })
  {
    await using again = await start()
    assert.equal(await statusOf(again, manifestOf('open/app')), 200)
    for (const who of [undefined, alice]) assert.equal(await statusOf(again, manifestOf('secret/app'), who), 502)
    await hub.up()
    hub.add('open/app', open, { private: true })
    scene.later(ttlMs)
    await until('the Hub is asked', async () => (await statusOf(again, manifestOf('open/app'))) === 401)
  }
  await hub.down()
  {
    await using again = await start()
    assert.equal(await statusOf(again, manifestOf('open/app')), 502, 'not public any more when the Hub was asked last')
  }
  await writeFile(notes, '{"open/app": [')
  await using again = await start()
  assert.match(again.log.join(''), /what is public cannot be read back/)
  await hub.up()
  assert.equal(await statusOf(again, manifestOf('open/app')), 401)
})

// Endpoints that are slow, away, choosy; and a registry that is restarted meanwhile.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { layerIn, startScene } from '../scenarios/scene.ts'
import { digestOf, ociImage } from '../support/images.ts'
import { type Registry, startRegistry } from '../support/registry.ts'
import { freePort } from '../support/free-port.ts'
import { until } from '../support/until.ts'
import { scrape } from '../telemetry/scrape.ts'
import { startSink } from './sink.ts'

const http = { addr: '127.0.0.1:0', debug: { addr: '127.0.0.1:0', prometheus: { enabled: true } } }

async function pushBlob({ url }: Registry, text: string): Promise<string> {
  const digest = digestOf(Buffer.from(text))
  const response = await fetch(`${url}/v2/a/blobs/uploads/?digest=${digest}`, { method: 'POST', body: text })
  assert.equal(response.status, 201)
  return digest
}

test('an endpoint that is away fails no push; its events wait over a restart and come in order', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-notify-'))
  try {
    const port = await freePort()
    const endpoint = { name: 'away', url: `http://127.0.0.1:${port}/`, threshold: 2, backoff: '20ms' }
    const config = { http, notifications: { endpoints: [endpoint] } }
    const pushed: string[] = []
    {
      await using registry = await startRegistry({ folder, config })
      for (let at = 0; at < 20; at += 1) pushed.push(await pushBlob(registry, `before ${at}`))
      const waiting = async () =>
        (await scrape(`${registry.debugUrl}/metrics`)).sum('registry_notifications_pending_total', { endpoint: 'away' })
      await until('all wait', async () => (await waiting()) === 20)
      await until('the log tells once', () => registry.log.some((line) => line.includes('events are not taken')))
      assert.equal(registry.log.filter((line) => line.includes('events are not taken')).length, 1)
    }
    await using sink = await startSink(port)
    await using registry = await startRegistry({ folder, config })
    pushed.push(await pushBlob(registry, 'after'))
    await until('all have come', () => sink.taken.length >= 21)
    assert.deepEqual(
      sink.events().map(({ target }) => target.digest),
      pushed,
    )
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test('an event is sent again until it is taken, and none overtakes it', async () => {
  await using sink = await startSink()
  sink.status = 500
  const endpoint = { name: 'sick', url: sink.url, threshold: 3, backoff: '10ms' }
  await using registry = await startRegistry({ config: { http, notifications: { endpoints: [endpoint] } } })
  const pushed = [await pushBlob(registry, 'one'), await pushBlob(registry, 'two')]
  await until('it is tried', () => sink.refused.length >= 5)
  assert.equal(new Set(sink.refused.map(({ body }) => body)).size, 1)
  sink.status = 302
  await until('both are taken', () => sink.taken.length >= 2)
  assert.deepEqual(
    sink.events().map(({ target }) => target.digest),
    pushed,
  )
  const metrics = await scrape(`${registry.debugUrl}/metrics`)
  const of = (type: string) => metrics.sum('registry_notifications_events_total', { endpoint: 'sick', type })
  assert.deepEqual([of('Events'), of('Successes'), of('Failures')], [2, 2, sink.refused.length])
  assert.equal(metrics.sum('registry_notifications_status_total', { code: '500 Internal Server Error' }), sink.refused.length)
})

test('each endpoint hears what it does not ignore', async () => {
  await using all = await startSink()
  await using noPulls = await startSink()
  await using noOctets = await startSink()
  const endpoints = [
    { name: 'all', url: all.url },
    { name: 'no pulls', url: noPulls.url, ignore: { actions: ['pull'] } },
    { name: 'no octets', url: noOctets.url, ignoredmediatypes: ['application/octet-stream'] },
    { name: 'off', url: 'http://127.0.0.1:1', disabled: true },
  ]
  await using registry = await startRegistry({ config: { http, notifications: { endpoints } } })
  const digest = await pushBlob(registry, 'it')
  await (await fetch(`${registry.url}/v2/a/blobs/${digest}`)).arrayBuffer()
  await until('all have come', () => all.taken.length === 2 && noPulls.taken.length === 1)
  assert.deepEqual(
    all.events().map(({ action }) => action),
    ['push', 'pull'],
  )
  assert.deepEqual(
    noPulls.events().map(({ action }) => action),
    ['push'],
  )
  assert.equal(noOctets.taken.length, 0)
})

test('pulls of mirrored repositories are told, whether they were here or not', async () => {
  await using sink = await startSink()
  await using scene = await startScene({ config: { http, notifications: { endpoints: [{ name: 'e', url: sink.url }] } } })
  const image = ociImage({ seed: 1 })
  scene.hub.add('some', image, { tags: ['1'] })
  await scene.manifest('library/some', '1')
  await scene.manifest('library/some', '1')
  await scene.blob('library/some', layerIn(image).digest)
  assert.equal((await scene.manifest('library/some', 'none')).status, 404)
  await until('all have come', () => sink.taken.length === 3)
  const told = sink.events().map(({ action, target: { repository, tag, digest } }) => [action, repository, tag, digest])
  assert.deepEqual(told, [
    ['pull', 'library/some', '1', image.manifest.digest],
    ['pull', 'library/some', '1', image.manifest.digest],
    ['pull', 'library/some', undefined, layerIn(image).digest],
  ])
  assert.equal(sink.events()[0]?.target.url, `${scene.registry.url}/v2/library/some/manifests/${image.manifest.digest}`)
})

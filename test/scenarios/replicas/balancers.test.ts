// Three replicas behind haproxy and nginx, which run with the very files of config/examples.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Hub, startHub } from '../../support/hub/hub.ts'
import { digestOf, memoryBlob, ociImage, seededBytes } from '../../support/images.ts'
import { needsPackages } from '../../support/packages.ts'
import { pull } from '../../support/pull.ts'
import { type Proxy, startHaproxy, startNginx } from '../../support/servers/proxies.ts'
import { pushImage } from '../../support/servers/push.ts'
import { gate, questionsTo } from '../scene.ts'
import { patientRedis, type Replicas, startReplicas } from './replicas.ts'

const name = 'balancers before replicas'
const mebibyte = 1024 * 1024
const repository = 'library/some'
const blob = memoryBlob(seededBytes('balancers', 8 * mebibyte))

const balancers = { 'haproxy.cfg': startHaproxy, 'nginx-replicas.conf': startNginx } as const

interface Stage extends AsyncDisposable {
  readonly hub: Hub
  readonly replicas: Replicas
  readonly url: string
  readonly port: number
}

async function stage(example: keyof typeof balancers): Promise<Stage> {
  await using building = new AsyncDisposableStack()
  const hub = building.use(await startHub())
  hub.addBlob(repository, blob)
  const replicas = building.use(
    await startReplicas({ upstream: hub.url, redisKeys: patientRedis, proxy: { libraryprefix: true, local: ['local/**'] } }),
  )
  const [a, b, c] = replicas.all.map(({ port }) => `127.0.0.1:${port}`) as [string, string, string]
  const substitutions = { 'replica-a:5000': a, 'replica-b:5000': b, 'replica-c:5000': c }
  const balancer: Proxy = building.use(await balancers[example]({ example, substitutions }))
  const running = building.move()
  return { hub, replicas, url: `http://${balancer.host}`, port: balancer.port, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

describe(name, await needsPackages(name, ['redis-server', 'haproxy', 'nginx']), () => {
  for (const example of Object.keys(balancers) as (keyof typeof balancers)[]) {
    it(`${example}: a cold blob passes as it comes, and a replica that goes is not missed`, async () => {
      await using staged = await stage(example)
      const { hub, replicas, url } = staged
      const rest = gate()
      hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: mebibyte, until: rest.opened }])
      const clients = await Promise.all(Array.from({ length: 6 }, () => questionsTo(() => staged).openBlob(repository, blob.digest)))
      // The rest has not been sent: nobody waits for the whole.
      for (const client of clients) assert.ok((await client.readTo(mebibyte - 1)).length >= mebibyte - 1)
      rest.open()
      for (const { body, ending } of await Promise.all(clients.map((client) => client.readAll()))) {
        assert.deepEqual([ending, digestOf(body)], ['whole', blob.digest])
      }
      assert.equal(hub.bytesSent({ kind: 'cdn' }), blob.size)
      const requests = replicas.all.map(({ accessLog }) => accessLog.filter((line) => line.includes('/blobs/')).length)
      assert.ok(Math.max(...requests) < clients.length, `all went to one: ${requests.join(' ')}`)

      await replicas.b[Symbol.asyncDispose]()
      for (let turn = 0; turn < 9; turn += 1) {
        const { status, body } = await questionsTo(() => staged).blob(repository, blob.digest)
        assert.deepEqual([status, digestOf(body)], [200, blob.digest])
      }
      assert.equal((await pull(`${url}/_cluster/v2/${repository}/blobs/${blob.digest}`)).status, 403)
    })

    it(`${example}: an image is pushed, whichever replica gets which part of it`, async () => {
      await using staged = await stage(example)
      const { replicas, url } = staged
      const image = ociImage({ seed: example, layers: 3, layerBytes: 300_000 })
      await pushImage({ url }, 'local/app', image, ['1'])
      for (const each of replicas.all) {
        const manifest = await questionsTo(() => each).manifest('local/app', '1')
        assert.equal(digestOf(manifest.body), image.manifest.digest)
        for (const digest of image.blobs.keys()) {
          assert.equal(digestOf((await questionsTo(() => each).blob('local/app', digest)).body), digest)
        }
      }
    })
  }
})

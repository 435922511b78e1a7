// A registry and a mirror that keep their content in Azure, as far as a stand-in for it can tell.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { account, accountKey, startAzureStub } from '../store/drivers/azure-stub.ts'
import { startHub } from '../support/hub/hub.ts'
import { digestOf, ociImage } from '../support/images.ts'
import { pull } from '../support/pull.ts'
import { startRegistry } from '../support/registry.ts'
import { pushImage } from '../support/servers/push.ts'
import { until } from '../support/until.ts'
import { layerIn } from './scene.ts'

const configOn = (url: string) => ({
  storage: { azure: { accountname: account, accountkey: accountKey, container: 'registry', serviceurl: url } },
  http: { addr: '127.0.0.1:0', secret: 'test' },
})

it('what is pushed is pulled, its blobs from the storage', async () => {
  await using azure = await startAzureStub('registry')
  await using registry = await startRegistry({ config: configOn(azure.url) })
  const image = ociImage({ seed: 'azure', layers: 2 })
  await pushImage({ url: registry.url }, 'team/app', image, ['latest'])
  const manifest = await pull(`${registry.url}/v2/team/app/manifests/latest`, { headers: { accept: image.manifest.mediaType } })
  assert.deepEqual([manifest.status, digestOf(manifest.body)], [200, image.manifest.digest])
  for (const { digest } of image.blobs.values()) {
    const asked = await pull(`${registry.url}/v2/team/app/blobs/${digest}`)
    assert.equal(asked.status, 307)
    const location = asked.headers['location'] ?? ''
    assert.ok(location.startsWith(`${azure.url}/registry/docker/registry/v2/blobs/`), location)
    assert.equal(digestOf((await pull(location)).body), digest)
  }
})

it('a mirror streams a cold blob, keeps it in the storage, and then sends clients there', async () => {
  await using azure = await startAzureStub('registry')
  await using hub = await startHub()
  const image = ociImage({ seed: 'azure mirror', layers: 1 })
  const { digest } = layerIn(image)
  hub.add('library/app', image, { tags: ['latest'] })
  await using mirror = await startRegistry({ upstream: hub.url, config: configOn(azure.url) })
  const url = `${mirror.url}/v2/library/app/blobs/${digest}`
  const cold = await pull(url)
  assert.deepEqual([cold.status, digestOf(cold.body)], [200, digest])
  await until('it is in the storage', async () => (await pull(url)).status === 307, 10_000)
  assert.equal(hub.count({ kind: 'cdn', digest }), 1, hub.describeLedger())
})

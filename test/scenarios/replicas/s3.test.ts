// Three replicas on one bucket: one transfer from upstream, one upload to the bucket, also when the replica that fetches stops;
// and the configurations that the examples for docker compose and Kubernetes carry.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { ListObjectsV2Command } from '@aws-sdk/client-s3'
import { parse, parseAllDocuments } from 'yaml'
import { type Hub, startHub } from '../../support/hub/hub.ts'
import { type BlobSource, digestOf, memoryBlob, ociImage, seededBytes } from '../../support/images.ts'
import { needsPackages } from '../../support/packages.ts'
import { startRegistry } from '../../support/registry.ts'
import { type Radosgw, radosgwPackages, startRadosgw } from '../../support/servers/radosgw.ts'
import { startRedis } from '../../support/servers/redis.ts'
import { pull } from '../../support/pull.ts'
import { until } from '../../support/until.ts'
import { gate, questionsTo } from '../scene.ts'
import { patientRedis, type Replicas, startReplicas } from './replicas.ts'

const name = 'replicas on one bucket'
const mebibyte = 1024 * 1024
const repository = 'library/some'

/** Passes bytes on to `port`, and notes the first line of each request. */
async function startListener(port: number) {
  const asked: string[] = []
  const server = createServer((client) => {
    const target = connect(port, '127.0.0.1')
    for (const socket of [client, target]) socket.on('error', () => {})
    client.on('data', (chunk) => {
      // A request line comes first on a connection, and after the end of the request before: SDK and driver send no two at once.
      const line = /^(?:GET|HEAD|PUT|POST|DELETE) \S+ HTTP\/1\.1/.exec(chunk.toString('latin1', 0, 2_000))
      if (line !== null) asked.push(line[0])
      target.write(chunk)
    })
    client.on('close', () => target.destroy())
    target.on('data', (chunk) => client.write(chunk)).on('close', () => client.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { asked, port: (server.address() as AddressInfo).port, [Symbol.asyncDispose]: async () => void server.close() }
}

interface Stage extends AsyncDisposable {
  readonly hub: Hub
  readonly replicas: Replicas
  /** Request lines at the bucket so far. */
  readonly asked: readonly string[]
  readonly bucket: string
  readonly blob: BlobSource
}

describe(name, await needsPackages(name, [...radosgwPackages, 'redis-server']), () => {
  let s3: Radosgw
  let folder: string

  before(async () => {
    s3 = await startRadosgw()
    folder = await mkdtemp(join(tmpdir(), 'entrepot-incoming-'))
    // Where blobs on their way in lie.
    process.env['TMPDIR'] = folder
  })
  after(async () => {
    delete process.env['TMPDIR']
    await s3?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  /** `seed`: a part of a blob that one test leaves would be taken over in the next. */
  async function stage(seed: string): Promise<Stage> {
    await using building = new AsyncDisposableStack()
    const blob = memoryBlob(seededBytes(seed, 8 * mebibyte))
    const hub = building.use(await startHub())
    hub.addBlob(repository, blob)
    const listener = building.use(await startListener(s3.port))
    const bucket = await s3.newBucket()
    const parameters = { ...s3.parametersOf(bucket), regionendpoint: `http://127.0.0.1:${listener.port}` }
    const storage = { s3: parameters, cache: { blobdescriptor: 'redis' }, redirect: { disable: true } }
    const proxy = { libraryprefix: true }
    const replicas = building.use(
      await startReplicas({ upstream: hub.url, redisKeys: patientRedis, ownFolders: true, proxy, config: { storage } }),
    )
    const running = building.move()
    return { hub, replicas, asked: listener.asked, bucket, blob, [Symbol.asyncDispose]: () => running.disposeAsync() }
  }

  const filesOf = async (bucket: string) => {
    const { Contents = [] } = await s3.client.send(new ListObjectsV2Command({ Bucket: bucket }))
    return Contents.map(({ Key = '', Size = 0 }) => [Key, Size] as const)
  }
  const hexOf = ({ digest }: BlobSource) => digest.slice('sha256:'.length)

  const isUpload = (line: string) =>
    (line.startsWith('PUT ') && !/partNumber|entrepot\/touched/.test(line)) || /^POST \S+\?uploads/.test(line)

  /** Uploads of the blob that were begun: whole, or in parts. */
  const uploadsIn = (asked: readonly string[], blob: BlobSource) =>
    asked.filter((line) => line.includes(`/${hexOf(blob)}/data`) && isUpload(line))

  it('the blob is fetched once and stored once', async () => {
    await using staged = await stage('stored once')
    const { hub, replicas, asked, bucket, blob } = staged
    const hex = hexOf(blob)
    const rest = gate()
    hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: mebibyte, until: rest.opened }])
    const clients = await Promise.all(
      [...replicas.all, ...replicas.all].map((each) => questionsTo(() => each).openBlob(repository, blob.digest)),
    )
    for (const client of clients) assert.equal((await client.readTo(mebibyte)).length, mebibyte)
    rest.open()
    for (const { body, ending } of await Promise.all(clients.map((client) => client.readAll()))) {
      assert.deepEqual([ending, digestOf(body)], ['whole', blob.digest])
    }
    for (const each of replicas.all) await questionsTo(() => each).kept(repository, blob.digest)
    assert.equal(hub.bytesSent({ kind: 'cdn' }), blob.size)
    const data = (await filesOf(bucket)).filter(([key, size]) => key.endsWith('/data') && size > 0)
    assert.deepEqual(data, [[`docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`, blob.size]])
    assert.equal(uploadsIn(asked, blob).length, 1, asked.join('\n'))
    await until('the lease is free', async () => (await replicas.redis.cli('EXISTS', `entrepot:lease:{fill:${blob.digest}}`)) === '0')
  })

  it('the replica that fetches stops: another one stores what it has, once', async () => {
    await using staged = await stage('stored by another')
    const { hub, replicas, asked, blob } = staged
    const rest = gate()
    hub.script([{ on: { kind: 'cdn' }, stallAfterBytes: 4 * mebibyte, until: rest.opened }])
    const first = await questionsTo(() => replicas.a).openBlob(repository, blob.digest)
    await first.readTo(4 * mebibyte)
    const others = await Promise.all([replicas.b, replicas.c].map((each) => questionsTo(() => each).openBlob(repository, blob.digest)))
    for (const other of others) await other.readTo(4 * mebibyte)
    await replicas.a[Symbol.asyncDispose]()
    rest.open()
    for (const { body, ending } of await Promise.all(others.map((other) => other.readAll()))) {
      assert.deepEqual([ending, digestOf(body)], ['whole', blob.digest])
    }
    for (const each of [replicas.b, replicas.c]) await questionsTo(() => each).kept(repository, blob.digest)
    assert.equal(uploadsIn(asked, blob).length, 1, asked.join('\n'))
    assert.ok(hub.bytesSent({ kind: 'cdn' }) <= 1.05 * blob.size, hub.describeLedger())
  })
  for (const example of ['compose.yml', 'kubernetes.yaml']) {
    it(`${example}: the registry starts with the configuration in it, and serves`, async () => {
      const carried = await carriedBy(example)
      const addresses = {
        'redis:6379': 'redis',
        'https://registry-1.docker.io': 'hub',
        'http://minio:9000': 's3',
        'https://s3.example.com': 's3',
      }
      await using redis = await startRedis()
      await using hub = await startHub()
      const image = ociImage({ seed: example, layers: 1 })
      hub.add('library/app', image, { tags: ['1'] })
      const own = { redis: redis.addr, hub: hub.url, s3: s3.url }
      let text = carried.config
        .replaceAll(/addr: :\d+/g, 'addr: 127.0.0.1:0')
        .replace('bucket: registry', `bucket: ${await s3.newBucket()}`)
      for (const [theirs, ours] of Object.entries(addresses)) text = text.replaceAll(theirs, own[ours as keyof typeof own])
      const env = {
        ...carried.environment,
        REGISTRY_STORAGE_S3_ACCESSKEY: s3.accessKey,
        REGISTRY_STORAGE_S3_SECRETKEY: s3.secretKey,
        REGISTRY_CLUSTER_ADVERTISE: 'http://127.0.0.1:1',
      }
      await using registry = await startRegistry({ config: parse(text) as object & Record<string, unknown>, env })
      const manifest = await questionsTo(() => registry).manifest('library/app', '1?ns=docker.io')
      assert.equal(digestOf(manifest.body), image.manifest.digest, manifest.body.toString())
      for (const probe of carried.probes) assert.equal((await pull(`${registry.debugUrl}${probe}`)).status, 200, probe)
      assert.equal((await redis.cli('DBSIZE').then(Number)) > 0, true)
      assert.deepEqual(
        registry.log.filter((line) => /level=(?:error|warn)/.test(line)),
        [],
      )
    })
  }
})

interface Carried {
  /** The text of config.yml. */
  readonly config: string
  /** What the registry's container gets besides; the names of variables, with values that may be used as they are. */
  readonly environment: Readonly<Record<string, string>>
  /** Paths at the debug address. */
  readonly probes: readonly string[]
}

/** Throws where the parts of the example do not fit each other. */
async function carriedBy(example: string): Promise<Carried> {
  const text = await readFile(join(import.meta.dirname, '../../../config/examples', example), 'utf8')
  // Outer data, whose shape is what is looked at here.
  // oxlint-disable-next-line typescript/no-explicit-any
  const documents: any[] = parseAllDocuments(text, { merge: true }).map((document) => document.toJS())
  const [first] = documents
  if (example === 'compose.yml') {
    const replicas = Object.keys(first.services).filter((service) => first.services[service].image?.includes('entrepot'))
    assert.deepEqual(replicas, ['replica-a', 'replica-b', 'replica-c'])
    const [mounted] = first.services['replica-a'].configs
    assert.equal(mounted.target, '/etc/distribution/config.yml')
    return { config: first.configs[mounted.source].content, environment: { REGISTRY_HTTP_SECRET: 'secret' }, probes: [] }
  }
  const of = (kind: string) => documents.find((document) => document.kind === kind)
  const { template, selector } = of('Deployment').spec
  assert.deepEqual(selector.matchLabels, template.metadata.labels)
  for (const kind of ['Service', 'PodDisruptionBudget']) {
    const { selector: chosen } = of(kind).spec
    assert.deepEqual(chosen.matchLabels ?? chosen, template.metadata.labels)
  }
  const [container] = template.spec.containers
  assert.deepEqual(container.envFrom, [{ secretRef: { name: of('Secret').metadata.name } }])
  const probes = [container.livenessProbe, container.readinessProbe].map(({ httpGet }) => httpGet.path)
  return { config: of('ConfigMap').data['config.yml'], environment: of('Secret').stringData, probes }
}

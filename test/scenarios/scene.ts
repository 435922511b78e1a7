// Where the scenarios play: a stand-in Hub, our registry in front of it, and the questions that clients ask.
import { once } from 'node:events'
import { connect } from 'node:net'
import type { BlobSource, Image } from '../support/images.ts'
import { type Hub, type HubOptions, startHub } from '../support/hub/hub.ts'
import { type Asking, open, type OpenAnswer, pull, type Reply } from '../support/pull.ts'
import { type Registry, startRegistry, type StartOptions } from '../support/registry.ts'
import { until } from '../support/until.ts'

export interface SceneOptions extends Omit<StartOptions, 'upstream' | 'proxy'> {
  readonly hub?: HubOptions
  /** Further keys of `proxy`, or what makes them when the Hub is there. */
  readonly proxy?: StartOptions['proxy'] | ((hub: Hub) => StartOptions['proxy'])
}

export interface Scene extends AsyncDisposable {
  readonly hub: Hub
  readonly registry: Registry
  manifest(repository: string, reference: string, asking?: Asking): Promise<Reply>
  blob(repository: string, digest: string, asking?: Asking): Promise<Reply>
  openBlob(repository: string, digest: string, asking?: Asking): Promise<OpenAnswer>
  /** Resolves when the store has the blob for this repository. */
  kept(repository: string, digest: string): Promise<void>
  /** Resolves when requests that were sent before have reached the registry's handlers. */
  arrived(): Promise<void>
}

export async function startScene({ hub: hubOptions, proxy, ...options }: SceneOptions = {}): Promise<Scene> {
  await using building = new AsyncDisposableStack()
  const hub = building.use(await startHub(hubOptions))
  const keys = typeof proxy === 'function' ? proxy(hub) : proxy
  const registry = building.use(await startRegistry({ ...options, upstream: hub.url, ...(keys === undefined ? {} : { proxy: keys }) }))
  const running = building.move()
  return { hub, registry, ...questionsTo(() => registry), [Symbol.asyncDispose]: () => running.disposeAsync() }
}

/** Questions to a registry that may be another one from question to question. */
export function questionsTo(
  registry: () => { readonly url: string; readonly port: number },
): Omit<Scene, 'hub' | 'registry' | keyof AsyncDisposable> {
  const urlOf = (repository: string, kind: string, name: string) => `${registry().url}/v2/${repository}/${kind}/${name}`
  const blob = (repository: string, digest: string, asking?: Asking) => pull(urlOf(repository, 'blobs', digest), asking)
  return {
    manifest: (repository, reference, asking) => pull(urlOf(repository, 'manifests', reference), asking),
    blob,
    openBlob: (repository, digest, asking) => open(urlOf(repository, 'blobs', digest), asking),
    async kept(repository, digest) {
      await until(`${digest} is kept`, async () => (await blob(repository, digest, { method: 'HEAD' })).headers['x-cache'] === 'hit')
    },
    async arrived() {
      // Connections are accepted in order, and what came on them before is read before this is answered.
      for (let turn = 0; turn < 3; turn += 1) {
        await pull(`${registry().url}/v2/`)
        const socket = connect(registry().port, '127.0.0.1')
        await once(socket, 'connect')
        socket.destroy()
      }
    },
  }
}

/** All bytes of a blob. */
export async function bytesOf(blob: BlobSource): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of blob.read(0, blob.size)) parts.push(Buffer.from(part))
  return Buffer.concat(parts)
}

/** The first layer of an image. */
export function layerIn(image: Image): BlobSource {
  const [, layer] = [...image.blobs.values()]
  if (layer === undefined) throw new Error('this image has no layer')
  return layer
}

/** A promise with its key. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { opened: promise, open: () => resolve() }
}

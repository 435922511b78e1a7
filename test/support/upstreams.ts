// The registries that stand behind the mirror when real clients pull: our stand-in of Docker Hub, and one that is nobody's
// stand-in, Debian's docker-registry behind token authentication. A suite runs on both; what it asks of them is the same.
import { startHub } from './hub/hub.ts'
import type { Image } from './images.ts'
import { startDockerRegistry } from './servers/docker-registry.ts'
import { pushImage } from './servers/push.ts'
import { startTokenServer } from './servers/token-server.ts'

export const upstreamKinds = ['the stand-in Hub', 'docker-registry behind tokens'] as const
export type UpstreamKind = (typeof upstreamKinds)[number]

export interface Upstream extends AsyncDisposable {
  /** For the mirror's `proxy.remoteurl`. */
  readonly url: string
  add(repository: string, image: Image, tags: readonly string[]): Promise<void>
  /** How often content was asked for since the beginning or `forget`, all repositories together. */
  traffic(): Promise<Traffic>
  /** Forgets what was asked so far. */
  forget(): Promise<void>
}

export interface Traffic {
  /** Manifest GETs: what counts as a pull. */
  readonly manifests: number
  /** By digest: transfers of the blob's bytes. */
  readonly blobs: ReadonlyMap<string, number>
}

export async function startUpstream(kind: UpstreamKind): Promise<Upstream> {
  return kind === 'the stand-in Hub' ? startStandIn() : startDockerRegistryBehindTokens()
}

async function startStandIn(): Promise<Upstream> {
  const hub = await startHub()
  return {
    url: hub.url,
    add: async (repository, image, tags) => hub.add(repository, image, { tags }),
    async traffic() {
      const blobs = new Map<string, number>()
      for (const { digest } of hub.find({ kind: 'cdn', method: 'GET', status: [200, 206] })) {
        if (digest !== undefined) blobs.set(digest, (blobs.get(digest) ?? 0) + 1)
      }
      return { manifests: hub.count({ kind: 'manifest', method: 'GET', status: 200 }), blobs }
    },
    forget: async () => hub.clearLedger(),
    [Symbol.asyncDispose]: () => hub.close(),
  }
}

async function startDockerRegistryBehindTokens(): Promise<Upstream> {
  const publisher = { user: 'publisher', password: 'only for pushing' }
  const tokens = await startTokenServer({ publisher })
  const registry = await startDockerRegistry({ auth: { token: tokens } })
  const authorize = async (repository: string) => {
    const url = `${tokens.url}?service=${tokens.service}&scope=repository:${repository}:pull,push`
    const basic = Buffer.from(`${publisher.user}:${publisher.password}`).toString('base64')
    const answer = (await (await fetch(url, { headers: { authorization: `Basic ${basic}` } })).json()) as { token: string }
    return `Bearer ${answer.token}`
  }
  let forgotten = 0
  return {
    url: registry.url,
    add: (repository, image, tags) => pushImage({ url: registry.url, authorize }, repository, image, tags),
    async traffic() {
      const gets = (await registry.requests()).slice(forgotten).filter(({ method, status }) => method === 'GET' && status < 300)
      const blobs = new Map<string, number>()
      for (const { path } of gets) {
        const digest = /\/blobs\/(sha256:[a-f0-9]{64})$/.exec(path)?.[1]
        if (digest !== undefined) blobs.set(digest, (blobs.get(digest) ?? 0) + 1)
      }
      return { manifests: gets.filter(({ path }) => path.includes('/manifests/')).length, blobs }
    },
    async forget() {
      forgotten = (await registry.requests()).length
    },
    async [Symbol.asyncDispose]() {
      await registry[Symbol.asyncDispose]()
      await tokens[Symbol.asyncDispose]()
    },
  }
}

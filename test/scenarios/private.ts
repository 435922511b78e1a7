// The scene of private images: a stand-in Hub with a secret and a public repository, alice who may read the secret, bob who may not, and
// a mirror whose own account may read everything.
import { basic } from '../auth/serving-htpasswd.ts'
import { JumpingClock } from '../support/clock.ts'
import { type Image, ociImage } from '../support/images.ts'
import { pull, type Reply } from '../support/pull.ts'
import { layerIn, type Scene, type SceneOptions, startScene } from './scene.ts'

export const secret = ociImage({ seed: 'secret' })
export const open = ociImage({ seed: 'open' })
export const alice = basic('alice', 'wonder')
export const bob = basic('bob', 'builder')
export const ttlMs = 300_000

export interface PrivateScene extends Scene {
  readonly clock: JumpingClock
  get(path: string, authorization?: string): Promise<Reply>
  /** Of a GET of the tag, the digest, and the layer of a repository; and of HEAD of the same. */
  statuses(repository: string, image: Image, authorization?: string): Promise<readonly number[]>
  /** What the token endpoint gives for these credentials, as the header of a request. */
  tokenFor(authorization?: string): Promise<string>
  /** Moves the mirror's clock, and the Hub's. */
  later(ms: number): void
}

export function mayRead(scene: Pick<Scene, 'hub'>, user: string, password: string, ...repositories: readonly string[]): void {
  scene.hub.addAccount(user, password, { limit: 'unlimited', mayPull: repositories })
}

export async function startPrivate({ proxy, ...options }: SceneOptions = {}): Promise<PrivateScene> {
  const clock = new JumpingClock()
  const own = {
    username: 'mirror',
    password: 'm',
    authorization: 'upstream',
    authorizationinsecure: true,
    ...(typeof proxy === 'object' ? proxy : {}),
  }
  const scene = await startScene({ clock, ...options, proxy: own })
  const { hub, registry } = scene
  hub.settings.quota = undefined
  hub.add('secret/app', secret, { private: true, tags: ['1'] })
  hub.add('open/app', open, { tags: ['1'] })
  mayRead(scene, 'mirror', 'm', 'secret/app')
  mayRead(scene, 'alice', 'wonder', 'secret/app')
  mayRead(scene, 'bob', 'builder')
  const get = (path: string, authorization?: string, method: 'GET' | 'HEAD' = 'GET') =>
    pull(`${registry.url}${path}`, { method, headers: authorization === undefined ? {} : { authorization } })
  return {
    ...scene,
    clock,
    get,
    async statuses(repository, image, authorization) {
      const names = ['manifests/1', `manifests/${image.manifest.digest}`, `blobs/${layerIn(image).digest}`]
      const paths = names.map((name) => `/v2/${repository}/${name}`)
      const replies = []
      for (const method of ['GET', 'HEAD'] as const) for (const path of paths) replies.push(await get(path, authorization, method))
      return replies.map(({ status }) => status)
    },
    async tokenFor(authorization) {
      const { body } = await get('/auth/token?service=x', authorization)
      return `Bearer ${(JSON.parse(body.toString()) as { token: string }).token}`
    },
    later(ms) {
      clock.jump(ms)
      hub.advance(ms / 1000)
    },
  }
}

export function all(status: number): readonly number[] {
  return [status, status, status, status, status, status]
}

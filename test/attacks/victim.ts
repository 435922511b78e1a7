// What is attacked: a registry that mirrors and keeps images of its own, beside files that are nobody's business; and what must be
// true of every answer that an attacker gets.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Answer, ask } from '../http/serving.ts'
import { startScene, type Scene, type SceneOptions } from '../scenarios/scene.ts'
import { type Image, ociImage } from '../support/images.ts'
import { pushImage } from '../support/servers/push.ts'

export const own: Image = ociImage({ seed: 'own' })
export const mirrored: Image = ociImage({ seed: 'mirrored' })
/** What lies in files that no request may reach. */
export const canary = 'the words of a file that is nobody’s business'

export interface Victim extends Scene {
  /** Throws for an answer that failed here, or that tells of this machine. */
  assertSilent(what: string, answer: Answer): void
  /** Others are served as before, nothing lies where it must not, and nothing went upstream that is no name. */
  assertUnharmed(): Promise<void>
}

export async function startVictim({ proxy, ...options }: SceneOptions = {}): Promise<Victim> {
  await using building = new AsyncDisposableStack()
  const above = await mkdtemp(join(tmpdir(), 'entrepot-test-'))
  building.defer(() => rm(above, { recursive: true, force: true }))
  const folder = join(above, 'store')
  await mkdir(folder)
  for (const place of [above, folder]) await writeFile(join(place, 'canary'), canary)
  const keys = { local: ['team/**'], ...(typeof proxy === 'object' ? proxy : {}) }
  const scene = building.use(await startScene({ ...options, folder, proxy: keys }))
  scene.hub.add('library/app', mirrored, { tags: ['1'] })
  await pushImage(scene.registry, 'team/app', own, ['1'])
  const { port } = scene.registry
  const upstreamHosts = [scene.hub.url, scene.hub.authUrl, ...Object.values(scene.hub.cdnUrls)].map((url) => new URL(url).host)
  const secrets = [above, canary, ...upstreamHosts, '/docker/registry', 'ENOENT', 'EISDIR', 'node:', '.ts:']
  const running = building.move()
  return {
    ...scene,
    assertSilent(what, { status, headers, body }) {
      assert.ok(status < 500, `${what}: ${status} ${body.toString().slice(0, 200)}`)
      const text = `${JSON.stringify(headers)}\n${body.toString('latin1')}`
      for (const secret of secrets) assert.ok(!text.includes(secret), `${what}: tells ${secret}: ${text.slice(0, 500)}`)
    },
    async assertUnharmed() {
      for (const repository of ['team/app', 'library/app']) {
        assert.equal((await ask(port, `/v2/${repository}/manifests/1`)).status, 200, repository)
      }
      assert.deepEqual((await readdir(above)).toSorted(), ['canary', 'store'])
      assert.deepEqual(
        (await readdir(folder)).toSorted().filter((name) => !['docker', 'entrepot'].includes(name)),
        ['canary'],
      )
      for (const { url } of scene.hub.ledger) assert.match(url, /^(?!.*\/\.\.?(?:\/|$))(?:\/[\w.:-]*)+(?:\?[\w.~%&=*+-]*)?$/)
      for (const line of scene.registry.log) assert.doesNotMatch(line, /^time=\S+ level=error/)
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

/** Ways to write `..` and a way to `canary`, for a server that decodes once, twice, or in some charset of its own. */
export const escapes: readonly string[] = [
  '..',
  '../canary',
  '../../canary',
  '%2e%2e',
  '%2e%2e%2fcanary',
  '%2E%2E%2Fcanary',
  '..%2f..%2fcanary',
  '..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd',
  '%252e%252e%252fcanary',
  '%25252e%25252e%25252fcanary',
  '..%5c..%5ccanary',
  '..\\..\\canary',
  '..;/canary',
  '....//canary',
  '%c0%ae%c0%ae%c0%afcanary',
  '%e0%80%ae%e0%80%ae%e0%80%afcanary',
  '%uff0e%uff0e%u2215canary',
  '%ef%bc%8e%ef%bc%8e%ef%bc%8fcanary',
  '%00',
  'canary%00',
  'canary%00.png',
  '%0d%0acanary',
  '%2fetc%2fpasswd',
  '//etc/passwd',
  'file:%2f%2f%2fetc%2fpasswd',
  '~root',
  '%7e%2fcanary',
  '_layers',
  '_uploads',
  '_manifests%2ftags',
  'x%2f_uploads%2fy',
  '.',
  '%2e',
  '%',
  '%zz',
  '%ff%fe',
]

// Garbage collection of a folder shared with Debian's docker-registry: either collects what both pushed, and both go on.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { stringify } from 'yaml'
import { digestOf } from '../../src/oci/digest.ts'
import { parseRepositoryName, parseTag } from '../../src/oci/names.ts'
import { FilesystemDriver } from '../../src/store/drivers/filesystem.ts'
import * as layout from '../../src/store/layout.ts'
import type { LocalContent } from '../../src/store/local-content.ts'
import { filesBelow } from '../contracts/storage-driver.ts'
import { TestClock } from '../support/clock.ts'
import { acceptAll, ociImage } from '../support/images.ts'
import { needsPackages, programPath } from '../support/packages.ts'
import { type DockerRegistry, startDockerRegistry } from '../support/servers/docker-registry.ts'
import { pushImage as pushToTheirs } from '../support/servers/push.ts'
import { assertSound } from '../support/store-tree.ts'
import { chunksOf, contentOver, never, pushBlob, pushImage } from './example-content.ts'

const suite = 'garbage in a folder shared with docker-registry'
const [ours, theirs] = [parseRepositoryName('ours/image'), parseRepositoryName('theirs/image')]
const everything = { n: undefined, last: undefined }

describe(suite, await needsPackages(suite, ['docker-registry']), () => {
  let root: string
  let configuration: string
  let driver: FilesystemDriver
  let content: LocalContent
  let later: LocalContent
  let registry: DockerRegistry

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'entrepot-garbage-'))
    driver = new FilesystemDriver({ root })
    content = contentOver(driver)
    later = contentOver(driver, { clock: new TestClock(Date.now() + 100 * 3_600_000) })
    registry = await startDockerRegistry({ storageFolder: root })
    configuration = `${root}.yml`
    await writeFile(configuration, stringify({ version: 0.1, storage: { filesystem: { rootdirectory: root } }, http: { addr: ':0' } }))
  })
  after(async () => {
    await registry?.[Symbol.asyncDispose]()
    await rm(root, { recursive: true, force: true })
    await rm(configuration, { force: true })
  })

  /** Lines that docker-registry prints, without those of its log. */
  async function theirGarbageCollection(...flags: string[]): Promise<string[]> {
    const { stdout } = await promisify(execFile)(programPath('docker-registry'), ['garbage-collect', ...flags, configuration])
    return stdout.split('\n').slice(0, -1)
  }

  async function ourGarbageCollection(isDryRun: boolean, deleteUntagged: boolean): Promise<string[]> {
    const lines: string[] = []
    await later.collectGarbage({ isDryRun, deleteUntagged, graceMs: 0 }, (line) => lines.push(line), never)
    return lines
  }

  async function pushGarbage(name: string): Promise<void> {
    await pushBlob(content, ours, Buffer.from(`stray ${name}`))
    await pushImage(content, ours, `untagged ${name}`)
    await pushImage(content, ours, `image ${name}`, 'latest')
    await pushToTheirs(registry, theirs, ociImage({ seed: `untagged ${name}` }), [])
    await pushToTheirs(registry, theirs, ociImage({ seed: `image ${name}`, layers: 2 }), ['latest'])
  }

  async function assertBothServe(): Promise<void> {
    await assertSound(root)
    for (const repository of [ours, theirs]) {
      const found = await content.findManifest(repository, parseTag('latest'))
      const asked = await fetch(`${registry.url}/v2/${repository}/manifests/latest`, { headers: { accept: acceptAll } })
      assert.equal(asked.headers.get('docker-content-digest'), found?.descriptor.digest)
      const { config, layers } = JSON.parse(Buffer.from(found?.bytes ?? []).toString()) as { config: Blob; layers: Blob[] }
      for (const { digest } of [config, ...layers]) {
        const bytes = await (await fetch(`${registry.url}/v2/${repository}/blobs/${digest}`)).arrayBuffer()
        assert.equal(digestOf(new Uint8Array(bytes)), digest)
      }
    }
  }

  interface Blob {
    readonly digest: string
  }

  for (const [flags, deleteUntagged] of [
    [['-d'], false],
    [['-d', '-m'], true],
  ] as const) {
    it(`says what docker-registry says with ${flags.join(' ')}, and what it does about links besides`, async () => {
      await pushGarbage(`said ${flags.length}`)
      const said = await theirGarbageCollection(...flags)
      assert.ok(
        said.some((line) => line.startsWith('blob eligible')),
        'there is garbage',
      )
      const saidByUs = await ourGarbageCollection(true, deleteUntagged)
      const isOfLink = (line: string) => line.includes(': layer link eligible for deletion: ')
      assert.deepEqual(saidByUs.filter((line) => !isOfLink(line)).sort(), said.sort())
      assert.ok(saidByUs.some(isOfLink))
    })
  }

  it('ours leaves a folder that docker-registry serves, and finds nothing more to collect in', async () => {
    await pushGarbage('for ours')
    const { id } = await content.beginUpload(ours)
    await ourGarbageCollection(false, true)
    await assertBothServe()
    const left = await theirGarbageCollection('-d', '-m')
    assert.match(left.find((line) => line.includes('eligible')) ?? '', /marked, 0 blobs and 0 manifests eligible for deletion$/)
    await content.appendToUpload(ours, id, { offset: 0, body: chunksOf('goes on') }, never)
    assert.equal((await content.finishUpload(ours, id, digestOf(Buffer.from('goes on')))).size, 7)
  })

  it("docker-registry's leaves a folder that ours serves, without what it took, and can be pushed to", async () => {
    await pushGarbage('for theirs')
    const stray = digestOf(Buffer.from('stray for theirs'))
    assert.notEqual(await content.findBlob(ours, stray), undefined)
    await theirGarbageCollection('-m')
    await assertBothServe()
    assert.equal(await content.findBlob(ours, stray), undefined)
    assert.equal(await pushBlob(content, ours, Buffer.from('stray for theirs')), stray)
    assert.notEqual(await content.findBlob(ours, stray), undefined)
    await ourGarbageCollection(false, false)
    await assertBothServe()
  })

  it('our folders do not show in its catalog, nor in its lists of tags', async () => {
    const subject = await pushImage(content, ours, 'subject', 'latest')
    const referrer = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [], subject: subject.descriptor }
    const bytes = Buffer.from(JSON.stringify(referrer))
    await content.pushManifest(ours, { bytes, mediaType: referrer.mediaType }, { tags: [] })
    assert.equal(
      JSON.parse(Buffer.from((await content.listReferrers(ours, subject.descriptor.digest, undefined))?.bytes ?? []).toString()).manifests
        .length,
      1,
    )
    assert.ok((await filesBelow(driver, layout.subjectFolder(ours, subject.descriptor.digest))).length > 0)
    const ask = async (path: string) => (await (await fetch(`${registry.url}/v2/${path}`)).json()) as Record<string, unknown>
    assert.deepEqual(await ask('_catalog'), { repositories: [ours, theirs] })
    assert.deepEqual((await content.listRepositories(everything, never)).items, [ours, theirs])
    assert.deepEqual((await ask(`${ours}/tags/list`))['tags'], ['latest'])
  })
})

// The commands that ask a running server, as a person and a script use them.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { ociImage } from '../support/images.ts'
import { layerIn, startScene } from '../scenarios/scene.ts'
import { runEntrepot } from './entrepot.ts'

const config = { http: { addr: '127.0.0.1:0', debug: { addr: '127.0.0.1:0' } } }

suite('commands that ask a running server', () => {
  test('show how it stands and what is here, and pin, unpin, refresh and evict an image', async () => {
    await using scene = await startScene({ config, proxy: { libraryprefix: true, pin: ['alpine'] } })
    const image = ociImage({ seed: 'commands', layerBytes: 40_000 })
    scene.hub.add('busybox', image, { tags: ['1.37'] })
    await scene.manifest('library/busybox', '1.37')
    await scene.blob('library/busybox', layerIn(image).digest)
    await scene.kept('library/busybox', layerIn(image).digest)
    const run = async (...args: string[]) => {
      const { stdout, stderr, code } = await runEntrepot([...args, '--address', scene.registry.debugUrl], tmpdir())
      assert.deepEqual([stderr, code], ['', 0])
      return stdout
    }
    assert.match(
      await run('status'),
      /^entrepot .*, mirror, well, up .*\npulls {5}\d+, \d+ % from here, 0 stale\nbytes .*\nstored .* in 2 blobs/,
    )
    assert.match(await run('images'), /^IMAGE +PLATFORMS +SIZE +LAST PULL\nlibrary\/busybox:1\.37 .*40\.\d kB +\d+ s ago\n$/)
    assert.equal(await run('pin', 'busybox:1.37'), 'busybox:1.37 is pinned\n')
    assert.match(await run('images', '--search', 'busy'), /pinned by busybox:1\.37\n$/)
    assert.equal(await run('unpin', 'busybox:1.37'), 'busybox:1.37 is not pinned any more\n')
    assert.equal(await run('refresh', 'busybox:1.37'), `library/busybox:1.37 is up to date: ${image.manifest.digest}\n`)
    assert.match(await run('evict', 'busybox:1.37'), /^library\/busybox:1\.37 is gone, 40\.\d kB freed\n$/)
    assert.deepEqual(JSON.parse(await run('images', '--json')), [])
  })

  test('say what is missing when there is nobody to ask', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'entrepot-test-'))
    try {
      await writeFile(join(folder, 'without.yml'), 'version: 0.1\nstorage: {inmemory: {}}\n')
      const without = await runEntrepot(['status', '--config', 'without.yml'], folder)
      assert.equal(without.code, 1)
      assert.match(without.stderr, /^without\.yml has no http\.debug\.addr, so there is nobody to ask: set it/)
      await writeFile(join(folder, 'closed.yml'), 'version: 0.1\nstorage: {inmemory: {}}\nhttp: {debug: {addr: "127.0.0.1:1"}}\n')
      const closed = await runEntrepot(['images', '-c', 'closed.yml'], folder)
      assert.equal(closed.code, 1)
      assert.match(closed.stderr, /^no entrepot answers at http:\/\/127\.0\.0\.1:1 \(.*\): does it run, with http\.debug\.addr set\?\n$/)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

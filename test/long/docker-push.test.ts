// Docker pushes half a gigabyte in ten layers, five at once as it does; once it is killed in the middle and does it again.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { bigImage } from '../support/busybox-image.ts'
import { needsRootAndPackages, programPath } from '../support/packages.ts'
import { assertWhole } from '../support/pulled.ts'
import { startRegistry } from '../support/registry.ts'
import { startDockerd } from '../support/servers/dockerd.ts'
import { pushImage } from '../support/servers/push.ts'
import { assertSound, filesBelow } from '../support/store-tree.ts'
import { until } from '../support/until.ts'

const layers = 10
const required = await needsRootAndPackages('long/docker-push', ['docker.io', 'containerd', 'busybox-static'])

describe('docker pushes an image of 500 MB', required, () => {
  test('in ten layers, is killed in the middle, pushes again, and runs what it gets back', { timeout: 400_000 }, async () => {
    await using source = await startRegistry()
    await using registry = await startRegistry()
    await using dockerd = await startDockerd({ mirrors: [] })
    const { docker } = dockerd
    await pushImage(source, 'given/big', await bigImage('big', { layers, layerBytes: 50_000_000 }), ['1'])
    const [given, pushed] = [`127.0.0.1:${source.port}/given/big:1`, `127.0.0.1:${registry.port}/pushed/big:1`]
    await docker('pull', given)
    await docker('tag', given, pushed)

    const uploads = join(registry.folder, 'docker/registry/v2/repositories/pushed/big/_uploads')
    const killed = spawn(programPath('docker'), ['push', pushed], { stdio: 'ignore', env: { ...process.env, DOCKER_HOST: dockerd.host } })
    const ended = once(killed, 'exit')
    let mostAtOnce = 0
    await until('several layers come at once', async () => {
      mostAtOnce = Math.max(mostAtOnce, (await filesBelow(uploads)).filter((file) => file.endsWith('/data')).length)
      return mostAtOnce > 2
    })
    killed.kill('SIGKILL')
    await ended
    assert.equal((await fetch(`${registry.url}/v2/pushed/big/manifests/1`)).status, 404)

    await docker('push', pushed)
    await assertWhole(`${registry.url}/v2/pushed/big`, '1')
    await docker('rmi', given, pushed)
    const { stdout } = await docker('run', '--rm', '--network', 'none', pushed)
    assert.equal(stdout, 'big\n')
    await assertSound(registry.folder)
    assert.deepEqual(
      registry.log.filter((line) => line.includes('level=error')),
      [],
    )
  })
})

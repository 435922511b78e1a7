// The command line as a person uses it: child processes, their output, their exit codes, and a pull through the configuration
// that a fresh checkout serves.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { dockerHubNames, startHub } from '../support/hub/hub.ts'
import { ociImage } from '../support/images.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const launcher = fileURLToPath(new URL('../../src/cli/launcher.mjs', import.meta.url))
const systemNode = '/usr/bin/node'

interface Command {
  readonly child: ChildProcess
  /** Everything that it printed so far. */
  readonly printed: { stdout: string; stderr: string }
  /** Resolves when stdout matches. Rejects when the process ends before. */
  says(pattern: RegExp): Promise<RegExpExecArray>
  readonly exit: Promise<number | null>
}

function start(program: string, args: readonly string[], options: { cwd: string; env?: NodeJS.ProcessEnv }): Command {
  const child = spawn(program, args, { cwd: options.cwd, env: { ...process.env, ...options.env } })
  const printed = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (printed.stderr += text))
  const exit = once(child, 'close').then(([code]) => code as number | null)
  const says = async (pattern: RegExp) => {
    for (;;) {
      const match = pattern.exec(printed.stdout)
      if (match !== null) return match
      const ended = await Promise.race([exit.then(() => true), once(child.stdout, 'data').then(() => false)])
      if (ended && !pattern.test(printed.stdout)) throw new Error(`ended without saying ${pattern}: ${printed.stdout}${printed.stderr}`)
    }
  }
  return { child, printed, says, exit }
}

describe('entrepot on the command line', () => {
  let folder: string
  const entrepot = (args: readonly string[], env: NodeJS.ProcessEnv = {}) => start(process.execPath, [main, ...args], { cwd: folder, env })

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'entrepot-cli-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  const finished = async (command: Command) => ({ code: await command.exit, ...command.printed })

  test('--version and --help say what is asked, and end well', async () => {
    const version = await finished(entrepot(['--version']))
    assert.deepEqual([version.code, version.stderr], [0, ''])
    assert.match(version.stdout, /^entrepot \d+\.\d+\.\d+\n$/)
    const help = await finished(entrepot(['--help']))
    assert.equal(help.code, 0)
    assert.match(help.stdout, /serve .*\n(.*\n)*.*config /)
  })

  test('without a file it mirrors Docker Hub into ./data, says so, serves a pull, and ends with 0 on SIGTERM', async () => {
    await using hub = await startHub({ tls: true, forwardProxy: true, proxyNames: dockerHubNames })
    const image = ociImage({ seed: 'cli' })
    hub.add('library/alpine', image, { tags: ['latest'] })
    const command = entrepot([], { REGISTRY_HTTP_ADDR: '127.0.0.1:0', HTTPS_PROXY: hub.proxyUrl, NODE_EXTRA_CA_CERTS: hub.caFile })
    const [, address] = await command.says(/listens on (127\.0\.0\.1:\d+)\n/)
    await command.says(/"registry-mirrors": \["http:\/\/127\.0\.0\.1:\d+"\]/)
    assert.match(command.printed.stdout, /mirrors +https:\/\/registry-1\.docker\.io\n/)
    const answer = await fetch(`http://${address}/v2/alpine/manifests/latest`)
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), image.manifest.bytes)
    for (const [digest, blob] of image.blobs) {
      const pulled = await fetch(`http://${address}/v2/library/alpine/blobs/${digest}`)
      assert.equal((await pulled.arrayBuffer()).byteLength, blob.size)
    }
    command.child.kill('SIGTERM')
    assert.equal(await command.exit, 0, command.printed.stderr)
    assert.deepEqual(await readdir(join(folder, 'data/docker/registry/v2')), ['blobs', 'repositories'])
  })

  test('config prints what a file comes to, without secrets, and what is odd about it', async () => {
    const file = join(folder, 'odd.yml')
    await writeFile(
      file,
      'version: 0.1\nstorage: {inmemory: {}}\nproxy: {remoteurl: https://a.example, username: ada, password: hunter2}\ntls: {key: x}\n',
    )
    const { code, stdout, stderr } = await finished(entrepot(['config', file]))
    assert.equal(code, 0)
    assert.match(stdout, /remoteurl: https:\/\/a\.example/)
    assert.match(stderr, /odd\.yml:4.*http\.tls/)
    assert.doesNotMatch(stdout + stderr, /hunter2/)
    const strict = await finished(entrepot(['config', '--strict', file]))
    assert.equal(strict.code, 1)
    assert.match(strict.stderr, /odd\.yml:4.*http\.tls/)
  })

  test('a wrong value stops the start with file and line', async () => {
    const file = join(folder, 'wrong.yml')
    await writeFile(file, 'version: 0.1\nstorage: {inmemory: {}}\nhttp:\n  draintimeout: soon\n')
    const { code, stderr, stdout } = await finished(entrepot([file]))
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /wrong\.yml:4:.*soon/)
  })

  test('an address that is taken is said plainly', async () => {
    await using hub = await startHub()
    const { host } = new URL(hub.url.replace('registry-1.docker.hub.test', '127.0.0.1'))
    const { code, stderr } = await finished(entrepot([], { REGISTRY_HTTP_ADDR: host }))
    assert.equal(code, 1)
    assert.match(stderr, /cannot start: .*EADDRINUSE/)
  })

  test('the launcher runs whatever Node is on the PATH', { skip: !existsSync(systemNode) && 'no other Node here' }, async () => {
    const { code, stdout } = await finished(start(systemNode, [launcher, '--version'], { cwd: folder }))
    assert.equal(code, 0)
    assert.match(stdout, /^entrepot /)
  })

  test('the launcher keeps compiled code beside the packages, and nothing among temporary files', async () => {
    const place = join(folder, 'temporary')
    await mkdir(place)
    const { code } = await finished(start(process.execPath, [launcher, '--version'], { cwd: folder, env: { TMPDIR: place } }))
    assert.deepEqual([code, await readdir(place)], [0, []])
    assert.ok((await readdir(fileURLToPath(new URL('../../node_modules/.cache/entrepot', import.meta.url)))).length > 0)
  })

  test('the launcher hands SIGTERM on, and ends with 0', { skip: !existsSync(systemNode) && 'no other Node here' }, async () => {
    const command = start(systemNode, [launcher, 'serve'], { cwd: folder, env: { REGISTRY_HTTP_ADDR: '127.0.0.1:0' } })
    await command.says(/listens on/)
    command.child.kill('SIGTERM')
    assert.equal(await command.exit, 0, command.printed.stderr)
  })
})

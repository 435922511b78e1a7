// Where credentials come from and, above all, where they never go.
import assert from 'node:assert/strict'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Hub, type HubOptions, startHub } from '../support/hub/hub.ts'
import { ociImage } from '../support/images.ts'
import { bytesOf, digestFrom, failureOf, remoteFor, repositoryOf, scriptedServer, tagOf } from './remote.ts'

const image = ociImage({ seed: 'credentials' })
const [blobDigest = ''] = image.blobs.keys()
const latest = tagOf('latest')
const repository = repositoryOf('acme/app')
const ada = { username: 'ada', password: 's3cr3t-of-ada' }
const { signal } = new AbortController()

async function privateHub(options: HubOptions = {}): Promise<Hub> {
  const hub = await startHub(options)
  hub.addAccount(ada.username, ada.password, { mayPull: ['acme/app'] })
  hub.add('acme/app', image, { tags: ['latest'], private: true })
  hub.add('alpine', image, { tags: ['latest'] })
  return hub
}

/** Whether any request but those to `allowed` brought the password, in whatever header. */
function sawPassword(hub: Hub, where: (entry: Hub['ledger'][number]) => boolean): boolean {
  const basic = Buffer.from(`${ada.username}:${ada.password}`).toString('base64')
  return hub.ledger.some((entry) => where(entry) && JSON.stringify([entry.url, entry.headers]).includes(basic))
}

describe('credentials', () => {
  it('go to the token server of the same domain, and to nobody else', async () => {
    await using hub = await privateHub()
    await using remote = remoteFor(hub.url, ada)
    assert.ok(await remote.content.findManifest(repository, latest, signal))
    const transfer = await remote.content.openBlob(repository, digestFrom(blobDigest), undefined, signal)
    await bytesOf(transfer?.body ?? [])
    assert.equal(hub.tokens()[0]?.account, 'ada')
    assert.equal(new URL(hub.tokens()[0]?.url ?? '', hub.authUrl).searchParams.get('account'), 'ada')
    assert.equal(
      sawPassword(hub, (entry) => entry.kind !== 'token'),
      false,
    )
    assert.equal(remote.log.text, '')
  })

  it('do not go to a foreign token server: public images work, private ones are denied, the log says what to set', async () => {
    await using hub = await privateHub({ names: { auth: 'auth.stranger.test' } })
    await using remote = remoteFor(hub.url, ada)
    assert.ok(await remote.content.findManifest(repositoryOf('alpine'), latest, signal))
    await failureOf(remote.content.findManifest(repository, latest, signal), 'denied')
    assert.equal(
      sawPassword(hub, () => true),
      false,
    )
    assert.ok(hub.tokens().every((entry) => !entry.url.includes('ada')))
    assert.equal(remote.log.lines.length, 1)
    assert.match(remote.log.text, /auth\.stranger\.test:\d+ to proxy\.trustedrealms/)
  })

  it('go to a foreign token server that is listed', async () => {
    await using hub = await privateHub({ names: { auth: 'auth.stranger.test' } })
    await using remote = remoteFor(hub.url, { ...ada, trustedRealms: ['auth.stranger.test'] })
    assert.ok(await remote.content.findManifest(repository, latest, signal))
  })

  it('are not carried on when the token server redirects to somebody else', async () => {
    await using hub = await privateHub()
    await using stranger = await scriptedServer((_, response) => response.end('{"token":"of-the-stranger"}'))
    await using remote = remoteFor(hub.url, ada)
    hub.script([
      {
        on: { kind: 'token' },
        status: 307,
        headers: { Location: `${stranger.url.replace('127.0.0.1', 'auth.stranger.test')}/token` },
        times: Number.POSITIVE_INFINITY,
      },
    ])
    await failureOf(remote.content.findManifest(repository, latest, signal))
    assert.ok(stranger.requests.length > 0)
    assert.ok(stranger.requests.every((request) => request.headers.authorization === undefined))
  })

  it('never reach the CDN, nor does the token', async () => {
    await using hub = await privateHub()
    await using remote = remoteFor(hub.url, ada)
    const transfer = await remote.content.openBlob(repository, digestFrom(blobDigest), undefined, signal)
    assert.equal((await bytesOf(transfer?.body ?? [])).length, image.blobs.get(blobDigest)?.size)
    const atCdn = hub.find({ kind: 'cdn' })
    assert.equal(atCdn.length, 1)
    assert.equal(atCdn[0]?.headers.authorization, undefined)
  })

  it('work with Basic, are sent from the second request on without being asked, and not to the CDN', async () => {
    await using hub = await privateHub({ auth: 'basic' })
    await using remote = remoteFor(hub.url, ada)
    assert.ok(await remote.content.findManifest(repository, latest, signal))
    const transfer = await remote.content.openBlob(repository, digestFrom(blobDigest), undefined, signal)
    await bytesOf(transfer?.body ?? [])
    assert.equal(hub.count({ status: 401 }), 1)
    assert.equal(hub.tokens().length, 0)
    assert.equal(
      sawPassword(hub, (entry) => entry.at !== 'registry'),
      false,
    )
  })

  it('refused by Basic are not sent again for a minute', async () => {
    await using hub = await privateHub({ auth: 'basic' })
    await using remote = remoteFor(hub.url, { username: 'ada', password: 'wrong' })
    for (let n = 0; n < 5; n += 1) await failureOf(remote.content.findManifest(repository, latest, signal), 'login-refused')
    assert.equal(hub.ledger.filter((entry) => entry.headers.authorization !== undefined).length, 1)
    remote.clock.advance(61)
    await failureOf(remote.content.findManifest(repository, latest, signal), 'login-refused')
    assert.equal(hub.ledger.filter((entry) => entry.headers.authorization !== undefined).length, 2)
  })

  it('that are missing make a Basic upstream say denied', async () => {
    await using hub = await privateHub({ auth: 'basic' })
    await using remote = remoteFor(hub.url)
    await failureOf(remote.content.findManifest(repository, latest, signal), 'denied')
  })

  it('are in no error and no line of the log', async () => {
    await using hub = await privateHub()
    await using remote = remoteFor(hub.url, ada)
    hub.script([{ on: { kind: 'cdn' }, status: 500, times: Number.POSITIVE_INFINITY }])
    const failure = await failureOf(remote.content.openBlob(repository, digestFrom(blobDigest), undefined, signal), 'unavailable')
    assert.match(failure.message, /GET http:\/\/cdn-[ab]\./)
    assert.doesNotMatch(`${failure.message} ${remote.log.text}`, /s3cr3t|Signature|verify=/)
  })
})

describe('a credential helper', () => {
  let folder = ''
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'entrepot-helper-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  /** A helper that writes what it was given to `<name>.calls`, one line per call, and then does as `script` tells. */
  async function helper(name: string, script: string) {
    const command = join(folder, name)
    await writeFile(command, `#!/bin/sh\necho "$1 $(cat)" >> '${command}.calls'\n${script}\n`)
    await chmod(command, 0o755)
    const calls = async () => (await readFile(`${command}.calls`, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '')
    return { command, calls }
  }
  const good = `echo '{"ServerURL":"x","Username":"ada","Secret":"s3cr3t-of-ada"}'`
  const ask = (remote: ReturnType<typeof remoteFor>) => remote.content.findManifest(repository, latest, signal)

  it('is asked for the host of the token server, once for many requests and for ever', async () => {
    await using hub = await privateHub()
    const { command, calls } = await helper('forever', good)
    await using remote = remoteFor(hub.url, { exec: { command } })
    await Promise.all(Array.from({ length: 5 }, () => ask(remote)))
    remote.clock.advance(3600)
    assert.ok(await ask(remote))
    assert.equal(hub.tokens().length, 2)
    assert.deepEqual(await calls(), [`get ${new URL(hub.authUrl).host}`])
  })

  it('is asked again when its answer has outlived its life, and every time without one', async () => {
    await using hub = await privateHub()
    const limited = await helper('limited', good)
    await using first = remoteFor(hub.url, { exec: { command: limited.command, lifetimeMs: 600_000 } })
    for (const seconds of [0, 300, 300]) {
      first.clock.advance(seconds)
      await ask(first)
    }
    assert.equal((await limited.calls()).length, 2)
    const always = await helper('always', good)
    await using second = remoteFor(hub.url, { exec: { command: always.command, lifetimeMs: 0 } })
    await ask(second)
    second.clock.advance(300)
    await ask(second)
    assert.equal((await always.calls()).length, 2)
  })

  it('is asked for the upstream itself where that wants Basic', async () => {
    await using hub = await privateHub({ auth: 'basic' })
    const { command, calls } = await helper('basic', good)
    await using remote = remoteFor(hub.url, { exec: { command } })
    assert.ok(await ask(remote))
    assert.deepEqual(await calls(), [`get ${new URL(hub.url).host}`])
  })

  it('is asked again after the server refused what it had said', async () => {
    await using hub = await privateHub()
    const { command, calls } = await helper('rotated', `echo '{"Username":"ada","Secret":"old"}'`)
    await using remote = remoteFor(hub.url, { exec: { command } })
    await failureOf(ask(remote), 'login-refused')
    await helper('rotated', good)
    assert.ok(await ask(remote))
    assert.equal((await calls()).length, 2)
  })

  it('that fails is logged, not repeated for every request, and leaves us anonymous', async () => {
    await using hub = await privateHub()
    const { command, calls } = await helper('failing', 'echo "credentials not found in native keychain"; exit 1')
    await using remote = remoteFor(hub.url, { exec: { command } })
    assert.ok(await remote.content.findManifest(repositoryOf('alpine'), latest, signal))
    await failureOf(ask(remote), 'denied')
    assert.equal((await calls()).length, 1)
    assert.match(remote.log.text, /credential helper failed/)
  })

  it('that does not exist is logged and leaves us anonymous', async () => {
    await using hub = await privateHub()
    await using remote = remoteFor(hub.url, { exec: { command: join(folder, 'no-such-helper') } })
    assert.ok(await remote.content.findManifest(repositoryOf('alpine'), latest, signal))
    assert.match(remote.log.text, /credential helper failed/)
  })

  it('that talks without end is ended', async () => {
    await using hub = await privateHub()
    const { command } = await helper('endless', 'yes')
    await using remote = remoteFor(hub.url, { exec: { command } })
    assert.ok(await remote.content.findManifest(repositoryOf('alpine'), latest, signal))
    assert.match(remote.log.text, /credential helper failed/)
  })
})

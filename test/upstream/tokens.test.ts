// Authentication to the upstream: how many tokens are asked for, when a new one is, and what a refusal leads to.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type HubOptions, startHub, tokenBurst429 } from '../support/hub/hub.ts'
import { ociImage } from '../support/images.ts'
import { failureOf, referenceOf, remoteFor, repositoryOf, tagOf } from './remote.ts'

const image = ociImage({ seed: 'tokens', layers: 3 })
const latest = tagOf('latest')
const alpine = repositoryOf('alpine')
const { signal } = new AbortController()

async function hubWithImage(options: HubOptions = {}) {
  const hub = await startHub(options)
  hub.add('alpine', image, { tags: ['latest'] })
  hub.add('busybox', image, { tags: ['latest'] })
  return hub
}

describe('tokens', () => {
  it('are asked for once, and anonymously, for fifty requests at the same time', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url)
    const answers = await Promise.all(Array.from({ length: 50 }, () => remote.content.describeManifest(alpine, latest, signal)))
    assert.ok(answers.every((answer) => answer?.descriptor.digest === image.manifest.digest))
    assert.equal(hub.tokens().length, 1, hub.describeLedger())
    assert.deepEqual(hub.tokens()[0]?.scopes, ['repository:library/alpine:pull'])
    assert.equal(hub.tokens()[0]?.headers.authorization, undefined)
    assert.equal(new URL(hub.tokens()[0]?.url ?? '', hub.authUrl).searchParams.get('service'), 'registry.docker.io')
  })

  it('are not asked for per manifest or blob', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url)
    await remote.content.findManifest(alpine, latest, signal)
    for (const digest of image.blobs.keys()) {
      const transfer = await remote.content.openBlob(alpine, referenceOf(digest) as never, undefined, signal)
      for await (const _ of transfer?.body ?? []);
    }
    assert.equal(hub.tokens().length, 1)
  })

  it('come before the first request of a second repository: there is one 401 in all, and no ping', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url)
    await remote.content.describeManifest(alpine, latest, signal)
    await remote.content.describeManifest(repositoryOf('busybox'), latest, signal)
    assert.equal(hub.count({ status: 401 }), 1, hub.describeLedger())
    assert.equal(hub.count({ kind: 'ping' }), 0)
    assert.equal(hub.tokens().length, 2)
  })

  it('are renewed before their end', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url)
    const ask = () => remote.content.describeManifest(alpine, latest, signal)
    await ask()
    remote.clock.advance(269)
    await ask()
    assert.equal(hub.tokens().length, 1)
    remote.clock.advance(2)
    await ask()
    assert.equal(hub.tokens().length, 2)
    assert.equal(hub.count({ status: 401 }), 1)
  })

  for (const [name, omitted, life] of [
    ['access_token alone', ['token'], 270],
    ['token alone', ['access_token'], 270],
    ['no issued_at', ['issued_at'], 270],
    ['no expires_in, so they live 60 seconds', ['expires_in'], 54],
  ] as const) {
    it(`work with ${name}`, async () => {
      await using hub = await hubWithImage({ tokenOmits: omitted })
      await using remote = remoteFor(hub.url)
      const ask = () => remote.content.describeManifest(alpine, latest, signal)
      assert.ok(await ask())
      remote.clock.advance(life - 1)
      await ask()
      assert.equal(hub.tokens().length, 1)
      remote.clock.advance(2)
      await ask()
      assert.equal(hub.tokens().length, 2)
    })
  }

  it('live by our clock: a skewed issued_at changes nothing', async () => {
    await using hub = await hubWithImage({ clockSkewSeconds: -7200 })
    await using remote = remoteFor(hub.url)
    await remote.content.describeManifest(alpine, latest, signal)
    await remote.content.describeManifest(alpine, latest, signal)
    assert.equal(hub.tokens().length, 1)
  })

  it('that say they live 2 seconds are used until they are refused, then renewed once', async () => {
    await using hub = await hubWithImage({ tokenLifeSeconds: 2 })
    await using remote = remoteFor(hub.url)
    await remote.content.describeManifest(alpine, latest, signal)
    await remote.content.describeManifest(alpine, latest, signal)
    assert.equal(hub.tokens().length, 1)
    hub.advance(3)
    assert.ok(await remote.content.describeManifest(alpine, latest, signal))
    assert.equal(hub.tokens().length, 2)
  })

  it('revoked in the middle of many requests cost one new token together', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url)
    await remote.content.describeManifest(alpine, latest, signal)
    hub.revokeTokens()
    const answers = await Promise.all(Array.from({ length: 20 }, () => remote.content.describeManifest(alpine, latest, signal)))
    assert.ok(answers.every((answer) => answer !== undefined))
    assert.equal(hub.tokens().length, 2, hub.describeLedger())
  })

  it('for a caller that leaves are still there for the others', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url)
    const hold = Promise.withResolvers<void>()
    hub.script([{ on: { kind: 'token' }, holdUntil: hold.promise }])
    const leaver = new AbortController()
    const left = remote.content.describeManifest(alpine, latest, leaver.signal)
    const stays = remote.content.describeManifest(alpine, latest, signal)
    await hub.seen({ kind: 'manifest', status: 401 }, 2)
    await hub.seen({ kind: 'token' })
    leaver.abort(new Error('gone'))
    await assert.rejects(left, /gone/)
    hold.resolve()
    assert.ok(await stays)
    assert.equal(hub.tokens().length, 1)
  })
})

describe('a 401 in spite of a token', () => {
  it('for ever ends in denied, and later requests ask for no more tokens', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url)
    hub.script([{ on: { at: 'registry' }, challenge: 'invalid_token', times: Number.POSITIVE_INFINITY }])
    const failure = await failureOf(remote.content.findManifest(alpine, latest, signal), 'denied')
    assert.equal(failure.status, 401)
    assert.equal(hub.tokens().length, 2, hub.describeLedger())
    await failureOf(remote.content.findManifest(alpine, latest, signal), 'denied')
    assert.equal(hub.tokens().length, 2)
    hub.clearScript()
    assert.ok(await remote.content.findManifest(alpine, latest, signal))
  })

  it('of a repository that is missing ends in denied, after one token', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url)
    await failureOf(remote.content.findManifest(repositoryOf('no/such'), latest, signal), 'denied')
    await failureOf(remote.content.findManifest(repositoryOf('no/such'), latest, signal), 'denied')
    assert.equal(hub.tokens().length, 1, hub.describeLedger())
  })

  it('with another realm each time does not go round', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url)
    for (let n = 0; n < 20; n += 1) {
      const challenge = `Bearer realm="${hub.authUrl}/token?n=${n}",service="s${n}",scope="repository:library/alpine:pull"`
      hub.script([{ on: { at: 'registry' }, status: 401, headers: { 'WWW-Authenticate': challenge } }])
    }
    await failureOf(remote.content.findManifest(alpine, latest, signal), 'denied')
    assert.ok(hub.count({ at: 'registry' }) <= 3, hub.describeLedger())
  })

  it('without a challenge is denied', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url)
    hub.script([{ on: { at: 'registry' }, status: 401, headers: { 'WWW-Authenticate': undefined } }])
    await failureOf(remote.content.findManifest(alpine, latest, signal), 'denied')
  })
})

describe('the token server', () => {
  const ask = (remote: ReturnType<typeof remoteFor>) => remote.content.findManifest(alpine, latest, signal)

  it('refusing the password is asked once a minute, says so once in the log, and is asked for no other repository meanwhile', async () => {
    await using hub = await hubWithImage()
    hub.addAccount('ada', 'right')
    await using remote = remoteFor(hub.url, { username: 'ada', password: 'wr0ng-password' })
    for (let n = 0; n < 10; n += 1) {
      await failureOf(ask(remote), 'login-refused')
      await failureOf(remote.content.findManifest(repositoryOf('busybox'), latest, signal), 'login-refused')
    }
    assert.equal(hub.tokens().length, 1)
    remote.clock.advance(61)
    await failureOf(ask(remote), 'login-refused')
    assert.equal(hub.tokens().length, 2)
    assert.equal(remote.log.lines.length, 1)
    assert.doesNotMatch(remote.log.text, /wr0ng-password/)
  })

  it('answering 429 is left alone for as long as it says', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url)
    hub.script([{ on: { kind: 'token' }, ...tokenBurst429, retryAfterSeconds: 20 }])
    const failure = await failureOf(ask(remote), 'rate-limited')
    assert.equal(failure.retryAfterSeconds, 20)
    await failureOf(remote.content.findManifest(repositoryOf('busybox'), latest, signal), 'rate-limited')
    assert.equal(hub.tokens().length, 1)
    remote.clock.advance(20)
    assert.ok(await ask(remote))
  })

  for (const [name, fault, kind] of [
    ['503', { status: 503 }, 'unavailable'],
    ['a page for people', { html200: true }, 'broken'],
    ['JSON without a token', { body: '{"expires_in":300}' }, 'broken'],
    ['a token that is no header value', { body: '{"token":"a\\r\\nHost: evil"}' }, 'broken'],
    ['more than a megabyte', { body: `{"token":"${'x'.repeat(1024 * 1024)}"}` }, 'broken'],
    ['half an answer', { cutAfterBytes: 100 }, 'unreachable'],
  ] as const) {
    it(`answering ${name} is ${kind}, and works again afterwards`, async () => {
      await using hub = await hubWithImage()
      await using remote = remoteFor(hub.url)
      hub.script([{ on: { kind: 'token' }, ...fault }])
      await failureOf(ask(remote), kind)
      assert.deepEqual(hub.unusedRules(), [])
      assert.ok(await ask(remote))
    })
  }

  it('that is down is unreachable', async () => {
    await using hub = await hubWithImage()
    await using remote = remoteFor(hub.url)
    await hub.down('auth')
    await failureOf(ask(remote), 'unreachable')
  })
})

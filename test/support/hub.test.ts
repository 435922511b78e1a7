// What the stand-in Docker Hub does when nothing is wrong: tokens, manifests, quota, blobs, lists, ledger.
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { HubClient } from './hub/client.ts'
import { type Hub, startHub } from './hub/hub.ts'
import {
  artifact,
  descriptorOf,
  digestOf,
  dockerImage,
  dockerList,
  type Image,
  mediaTypes,
  nestedIndex,
  ociImage,
  ociIndex,
} from './images.ts'

let hub: Hub
let client: HubClient
const alpine = ociIndex({ seed: 'alpine', layers: 2 })
const amd64 = alpine.children[0] as Image
const [, layer = ''] = [...amd64.blobs.keys()]

beforeEach(async () => {
  hub = await startHub()
  client = new HubClient(hub)
  hub.add('alpine', alpine, { tags: ['latest', '3'] })
})
afterEach(async () => {
  await client[Symbol.asyncDispose]()
  await hub.close()
})

test('the ping is challenged without a scope, by 87 bytes of JSON, and answers 200 to any token', async () => {
  const reply = await client.ask(`${hub.url}/v2/`)
  assert.equal(reply.status, 401)
  assert.equal(reply.headers['www-authenticate'], `Bearer realm="${hub.authUrl}/token",service="registry.docker.io"`)
  assert.equal(reply.headers['content-length'], '87')
  assert.equal((await client.ask(`${hub.url}/v2/`, { headers: await client.bearer('library/alpine') })).status, 200)
  assert.deepEqual(
    new Set([hub.url, hub.authUrl, ...Object.values(hub.cdnUrls)].map((url) => new URL(url).hostname)).size,
    4,
    'four host names',
  )
})

test('a manifest without a token is challenged with its scope and a detail, HEAD without a body', async () => {
  const url = `${hub.url}/v2/library/alpine/manifests/latest`
  const reply = await client.ask(url)
  assert.equal(reply.status, 401)
  assert.match(reply.headers['www-authenticate'] ?? '', /,scope="repository:library\/alpine:pull"$/)
  const detail = [{ Type: 'repository', Class: '', Name: 'library/alpine', Action: 'pull' }]
  assert.deepEqual(reply.json(), { errors: [{ code: 'UNAUTHORIZED', message: 'authentication required', detail }] })
  const head = await client.ask(url, { method: 'HEAD' })
  assert.deepEqual([head.status, head.body.length], [401, 0])
})

test('a token answer is chunked JSON with a token of about 3 KB, twice, and a time in nanoseconds', async () => {
  const reply = await client.askToken('library/alpine')
  const content = reply.json() as Record<string, string>
  assert.equal(reply.headers['transfer-encoding'], 'chunked')
  assert.equal(content['token'], content['access_token'])
  assert.equal(content['expires_in'], 300)
  assert.match(content['issued_at'] ?? '', /\.\d{9}Z$/)
  const size = content['token']?.length ?? 0
  assert.ok(size > 2000 && size < 4000, `${size} bytes`)
  hub.settings.tokenOmits = ['token', 'expires_in', 'issued_at']
  assert.deepEqual(Object.keys((await client.askToken('library/alpine')).json() as object), ['access_token'])
})

test('tokens hold for their repository, for their life, and until they are revoked', async () => {
  hub.add('other/thing', ociImage({ seed: 2 }), { tags: ['1'] })
  const headers = await client.bearer('library/alpine')
  const url = `${hub.url}/v2/library/alpine/manifests/latest`
  assert.equal((await client.ask(url, { headers })).status, 200)
  const other = await client.ask(`${hub.url}/v2/other/thing/manifests/1`, { headers })
  assert.match(other.headers['www-authenticate'] ?? '', /error="insufficient_scope"/)
  hub.advance(299)
  assert.equal((await client.ask(url, { headers })).status, 200)
  hub.advance(1)
  assert.match((await client.ask(url, { headers })).headers['www-authenticate'] ?? '', /error="invalid_token"/)
  const fresh = await client.bearer('library/alpine')
  hub.revokeTokens()
  assert.equal((await client.ask(url, { headers: fresh })).status, 401)
})

test('a wrong password is refused with details, and after some tries the user is locked out for a while', async () => {
  hub.addAccount('ann', 'secret')
  const wrong = await client.askToken('library/alpine', 'ann:guess')
  assert.deepEqual([wrong.status, wrong.json()], [401, { details: 'incorrect username or password' }])
  for (let turn = 2; turn <= 5; turn += 1) assert.equal((await client.askToken('library/alpine', 'ann:guess')).status, 401)
  const locked = await client.askToken('library/alpine', 'ann:secret')
  assert.deepEqual([locked.status, locked.headers['content-type']], [429, 'text/plain'])
  hub.advance(900)
  assert.equal((await client.askToken('library/alpine', 'ann:secret')).status, 200)
  assert.equal(hub.tokens().length, 7)
})

test('POST /token takes passwords and refresh tokens, unless it is switched off', async () => {
  hub.addAccount('ann', 'secret')
  const post = async (fields: Record<string, string>) => {
    const form = { service: 'registry.docker.io', scope: 'repository:library/alpine:pull', client_id: 'test', ...fields }
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    return client.ask(`${hub.authUrl}/token`, { method: 'POST', headers, body: new URLSearchParams(form).toString() })
  }
  const first = await post({ grant_type: 'password', username: 'ann', password: 'secret', access_type: 'offline' })
  const { refresh_token: refresh, access_token: token } = first.json() as Record<string, string>
  const url = `${hub.url}/v2/library/alpine/manifests/latest`
  assert.equal((await client.ask(url, { headers: { authorization: `Bearer ${token}` } })).status, 200)
  assert.equal((await post({ grant_type: 'refresh_token', refresh_token: refresh ?? '' })).status, 200)
  assert.equal((await post({ grant_type: 'password', username: 'ann', password: 'guess' })).status, 401)
  hub.settings.tokenPost = 405
  assert.equal((await post({ grant_type: 'refresh_token', refresh_token: refresh ?? '' })).status, 405)
})

test('missing, private and unofficially named repositories are 401, missing tags and blobs 404, missing ones of one’s own 404', async () => {
  hub.addAccount('ann', 'secret')
  hub.addAccount('bob', 'hidden')
  hub.add('ann/private', ociImage({ seed: 3 }), { tags: ['1'], private: true })
  const status = async (repository: string, path: string, credentials?: string) =>
    (await client.pull(repository, path, {}, credentials)).status
  assert.equal(await status('library/nothing', 'manifests/1'), 401)
  assert.equal(await status('alpine', 'manifests/latest'), 401)
  assert.equal(await status('ann/private', 'manifests/1'), 401)
  assert.equal(await status('ann/private', 'manifests/1', 'bob:hidden'), 401)
  assert.equal(await status('ann/private', 'manifests/1', 'ann:secret'), 200)
  assert.equal(await status('ann/nothing', 'manifests/1', 'ann:secret'), 404)
  assert.equal(await status('library/alpine', 'manifests/nothing'), 404)
  assert.equal(await status('library/alpine', `manifests/${digestOf(Buffer.from('x'))}`), 404)
  assert.equal(await status('library/alpine', `blobs/${digestOf(Buffer.from('x'))}`), 404)
})

test('HEAD and GET of a manifest have the same headers, HEAD costs no pull, each GET costs one', async () => {
  hub.quota = { limit: 2, windowSeconds: 3600 }
  const head = await client.pull('library/alpine', 'manifests/latest', { method: 'HEAD' })
  assert.equal(head.headers['ratelimit-remaining'], '2;w=3600')
  const get = await client.pull('library/alpine', 'manifests/latest')
  assert.equal(get.headers['ratelimit-remaining'], '1;w=3600')
  const hops = new Set(['date', 'ratelimit-remaining', 'connection', 'keep-alive'])
  const lasting = (headers: Readonly<Record<string, string>>) => Object.entries(headers).filter(([name]) => !hops.has(name))
  assert.deepEqual(lasting(head.headers), lasting(get.headers))
  assert.equal(get.headers['content-length'], String(get.body.length))
  assert.equal(digestOf(get.body), get.headers['docker-content-digest'])
  assert.equal(get.headers['etag'], `"${alpine.manifest.digest}"`)
  await client.pull('library/alpine', `manifests/${amd64.manifest.digest}`)
  assert.equal(hub.quotaUsed(), 2)
  const refused = await client.pull('library/alpine', 'manifests/latest')
  assert.equal(refused.status, 429)
  assert.match(refused.body.toString(), /"TOOMANYREQUESTS","message":"You have reached your unauthenticated pull rate limit/)
  assert.equal(refused.headers['retry-after'], undefined)
  assert.equal((await client.pull('library/alpine', 'manifests/latest', { method: 'HEAD' })).status, 200)
  hub.quota = { limit: 2, windowSeconds: 3600, refusesHead: true, message: 'old' }
  assert.equal((await client.pull('library/alpine', 'manifests/latest', { method: 'HEAD' })).status, 429)
  assert.match((await client.pull('library/alpine', 'manifests/latest')).body.toString(), /by authenticating and upgrading/)
  hub.advance(3600)
  assert.equal((await client.pull('library/alpine', 'manifests/latest')).status, 200)
})

test('pulls are counted per account, and paid accounts and an unlimited Hub show no limits', async () => {
  hub.addAccount('ann', 'secret', { limit: 1 })
  hub.addAccount('pro', 'secret', { limit: 'unlimited' })
  const ann = await client.pull('library/alpine', 'manifests/latest', {}, 'ann:secret')
  assert.equal(ann.headers['docker-ratelimit-source'], 'ann')
  assert.equal((await client.pull('library/alpine', 'manifests/latest', {}, 'ann:secret')).status, 429)
  assert.equal(hub.quotaUsed('ann'), 1)
  assert.equal((await client.pull('library/alpine', 'manifests/latest')).status, 200)
  const pro = await client.pull('library/alpine', 'manifests/latest', {}, 'pro:secret')
  assert.equal(pro.headers['ratelimit-limit'], undefined)
  hub.quota = undefined
  assert.equal((await client.pull('library/alpine', 'manifests/latest')).headers['ratelimit-limit'], undefined)
})

test('manifests of every kind come byte for byte with their type, whatever Accept says, unless it is strict', async () => {
  const kinds: [Image, string][] = [
    [ociImage({ seed: 4, zeroByteBlob: true, foreignUrls: ['http://foreign.stranger.test/layer'] }), mediaTypes.ociManifest],
    [dockerImage({ seed: 5, emptyLayer: true }), mediaTypes.dockerManifest],
    [dockerList({ seed: 6 }), mediaTypes.dockerList],
    [nestedIndex({ seed: 7 }), mediaTypes.ociIndex],
    [artifact({ seed: 8 }), mediaTypes.ociManifest],
  ]
  for (const [image, type] of kinds) {
    hub.add('library/kinds', image, { tags: ['it'] })
    const reply = await client.pull('library/kinds', 'manifests/it', { headers: { accept: 'text/plain' } })
    assert.equal(reply.headers['content-type'], type)
    assert.deepEqual(reply.body, image.manifest.bytes)
  }
  hub.settings.accept = 'strict'
  const reply = await client.pull('library/alpine', 'manifests/latest', { headers: { accept: mediaTypes.dockerManifest } })
  assert.equal(reply.status, 404)
  assert.match(reply.body.toString(), /OCI index found, but accept header does not support OCI indexes/)
  hub.settings.withoutAccept = 'schema1'
  const old = await client.pull('library/alpine', 'manifests/latest', { headers: { accept: '*/*' } })
  assert.match(old.headers['content-type'] ?? '', /manifest\.v1\+prettyjws/)
})

test('a 304 can be had, and is counted; HEAD can be refused', async () => {
  const headers = { 'if-none-match': `"${alpine.manifest.digest}"` }
  assert.equal((await client.pull('library/alpine', 'manifests/latest', { headers })).status, 200)
  hub.settings.notModified = true
  const reply = await client.pull('library/alpine', 'manifests/latest', { headers })
  assert.deepEqual([reply.status, reply.body.length, hub.quotaUsed()], [304, 0, 2])
  hub.settings.headRefused = 405
  assert.equal((await client.pull('library/alpine', 'manifests/latest', { method: 'HEAD' })).status, 405)
})

test('a tag moves, also right after a HEAD, and goes', async () => {
  const next = ociImage({ seed: 9 })
  hub.add('alpine', next)
  hub.moveTagAfterHead('alpine', 'latest', next.manifest.digest)
  const digest = async (method: 'HEAD' | 'GET') =>
    (await client.pull('library/alpine', 'manifests/latest', { method })).headers['docker-content-digest']
  assert.equal(await digest('HEAD'), alpine.manifest.digest)
  assert.equal(await digest('GET'), next.manifest.digest)
  hub.moveTag('alpine', 'latest', alpine.manifest.digest)
  assert.equal(await digest('HEAD'), alpine.manifest.digest)
  hub.deleteTag('alpine', 'latest')
  assert.equal((await client.pull('library/alpine', 'manifests/latest')).status, 404)
})

test('tags come all at once, or in pages with a relative link and a limit', async () => {
  for (let turn = 0; turn < 250; turn += 1) hub.moveTag('alpine', `v${String(turn).padStart(3, '0')}`, alpine.manifest.digest)
  const all = (await client.pull('library/alpine', 'tags/list')).json() as { tags: string[] }
  assert.equal(all.tags.length, 252)
  const page = await client.pull('library/alpine', 'tags/list?n=1000')
  assert.equal((page.json() as { tags: string[] }).tags.length, 100)
  assert.equal(page.headers['link'], '</v2/library/alpine/tags/list?last=v097&n=100>; rel="next"')
  const last = await client.pull('library/alpine', 'tags/list?n=100&last=v197')
  assert.equal(last.headers['link'], undefined)
})

test('referrers are an index, filtered on demand, empty for unknown digests, or not there at all but for the tag', async () => {
  const subject = descriptorOf(alpine)
  const sbom = artifact({ seed: 'sbom', subject })
  hub.add('alpine', sbom)
  hub.addReferrer('alpine', subject.digest, artifact({ seed: 'sig', artifactType: 'application/x.sig' }), { asTag: true })
  const listed = async (query = '') => client.pull('library/alpine', `referrers/${subject.digest}${query}`)
  const digests = (reply: { json: () => unknown }) =>
    (reply.json() as { manifests: { digest: string }[] }).manifests.map(({ digest }) => digest)
  assert.equal(digests(await listed()).length, 2)
  const filtered = await listed('?artifactType=application/vnd.example.sbom.v1%2Bjson')
  assert.deepEqual([digests(filtered), filtered.headers['oci-filters-applied']], [[sbom.manifest.digest], 'artifactType'])
  assert.deepEqual(digests(await client.pull('library/alpine', `referrers/${layer}`)), [])
  hub.settings.referrers = 'missing'
  assert.equal((await listed()).status, 404)
  assert.equal((await client.pull('library/alpine', `manifests/${subject.digest.replace(':', '-')}`)).status, 200)
})

test('the catalog is closed to everybody, and search is open', async () => {
  const bare = await client.ask(`${hub.url}/v2/_catalog`)
  assert.match(bare.headers['www-authenticate'] ?? '', /scope="registry:catalog:\*"$/)
  const reply = await client.ask(`${hub.url}/v2/_catalog`, { headers: await client.bearer('library/alpine') })
  assert.match(reply.headers['www-authenticate'] ?? '', /insufficient_scope/)
  const found = (await client.ask(`${hub.url}/v1/search?q=alp&n=25`)).json() as { results: { name: string; is_official: boolean }[] }
  assert.deepEqual([found.results[0]?.name, found.results[0]?.is_official], ['alpine', true])
})

test('a registry with Basic authentication or none asks for that', async () => {
  hub.settings.auth = 'basic'
  hub.addAccount('ann', 'secret')
  const url = `${hub.url}/v2/library/alpine/manifests/latest`
  assert.equal((await client.ask(url)).headers['www-authenticate'], 'Basic realm="Registry Realm"')
  const authorization = `Basic ${Buffer.from('ann:secret').toString('base64')}`
  assert.equal((await client.ask(url, { headers: { authorization } })).status, 200)
  hub.settings.auth = 'none'
  assert.equal((await client.ask(url)).status, 200)
  assert.equal((await client.ask(`${hub.url}/v2/library/nothing/manifests/1`)).status, 404)
})

test('the ledger tells who asked what and what it got, and can be waited for', async () => {
  const waiting = hub.seen({ kind: 'cdn', digest: layer, done: true }, 2)
  const both = await Promise.all([
    client.blob('library/alpine', layer),
    client.blob('library/alpine', layer, { headers: { range: 'bytes=0-9' } }),
  ])
  assert.equal((await waiting).length, 2)
  assert.equal(hub.bytesSent({ kind: 'cdn', digest: layer }), both[0].body.length + 10)
  assert.equal(hub.count({ kind: 'cdn', range: true, status: 206 }), 1)
  assert.equal(hub.count({ at: 'registry', kind: 'blob', repository: 'library/alpine', digest: layer }), 2)
  assert.deepEqual(
    hub.tokens().map((entry) => entry.scopes),
    [['repository:library/alpine:pull'], ['repository:library/alpine:pull']],
  )
  hub.clearLedger()
  await assert.rejects(hub.seen({ kind: 'ping' }, 1, { timeoutMs: 20 }), /waited 20 ms for 1 of/)
})

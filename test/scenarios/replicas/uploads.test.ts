// Uploads that go on from replica to replica, and two replicas that are sent the same upload at once.
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { describe, it } from 'node:test'
import { digestOf } from '../../../src/oci/digest.ts'
import { needsPackages } from '../../support/packages.ts'
import { until } from '../../support/until.ts'
import { startReplicas } from './replicas.ts'

const name = 'uploads of several replicas'
const parts = ['begun here, ', 'carried on there, ', 'and ended elsewhere'].map((text) => Buffer.from(text))
const whole = Buffer.concat(parts)

interface Told {
  readonly status: number
  /** Path and query. */
  readonly location: string
  readonly body: string
}

/** On another replica than the one that gave the address out: a load balancer's clients see one host only. */
async function ask(url: string, method: string, location: string, body?: Buffer | ReadableStream): Promise<Told> {
  const answer = await fetch(new URL(location, url), {
    method,
    ...(body === undefined ? {} : { body, duplex: 'half', headers: { 'content-type': 'application/octet-stream' } }),
  })
  const { pathname, search } = new URL(answer.headers.get('location') ?? '/', url)
  return { status: answer.status, location: pathname + search, body: await answer.text() }
}

describe(name, await needsPackages(name, ['redis-server']), () => {
  it('POST on A, PATCH on B, PATCH on C, PUT on A', async () => {
    await using replicas = await startReplicas()
    const { a, b, c } = replicas
    let at = await ask(a.url, 'POST', '/v2/own/app/blobs/uploads/')
    assert.equal(at.status, 202)
    for (const [replica, part] of [
      [b, parts[0]],
      [c, parts[1]],
    ] as const) {
      at = await ask(replica.url, 'PATCH', at.location, part)
      assert.equal(at.status, 202, at.body)
    }
    at = await ask(a.url, 'PUT', `${at.location}&digest=${digestOf(whole)}`, parts[2])
    assert.equal(at.status, 201, at.body)
    for (const { url } of replicas.all) {
      assert.equal(await (await fetch(`${url}/v2/own/app/blobs/${digestOf(whole)}`)).text(), whole.toString())
    }
  })

  it('Redis is emptied and comes back: uploads go on, and a new replica learns the same secret', async () => {
    await using replicas = await startReplicas()
    const { a, b, redis } = replicas
    const begun = await ask(a.url, 'POST', '/v2/own/app/blobs/uploads/')
    const secret = await redis.cli('GET', 'entrepot:http-secret')
    await redis.kill()
    assert.equal((await ask(b.url, 'GET', begun.location)).status, 204, 'without Redis, too')
    await redis.restart()
    await until('it is published again', async () => (await redis.cli('GET', 'entrepot:http-secret')) === secret)
    assert.equal((await ask(b.url, 'PATCH', begun.location, whole)).status, 202)
  })

  it('two replicas are sent the same upload at once: the second is refused, and what the first receives is whole', async () => {
    await using replicas = await startReplicas()
    const { a, b, c } = replicas
    const { location } = await ask(a.url, 'POST', '/v2/own/app/blobs/uploads/')
    const slow = request(new URL(location, a.url), { method: 'PATCH', headers: { 'content-type': 'application/octet-stream' } })
    const answered = new Promise<number | undefined>((resolve, reject) => {
      slow.once('response', (response) => resolve(response.resume().statusCode)).once('error', reject)
    })
    answered.catch(() => undefined)
    slow.write(parts[0])
    const bare = location.replace(/\?.*/, '')
    // Else the second may be refused for the size alone.
    await until('A has written what came', async () => (await fetch(new URL(bare, c.url))).headers.get('range') === '0-11')
    const second = await ask(b.url, 'PATCH', bare, Buffer.from('something else'))
    assert.deepEqual([second.status, second.body.includes('another replica receives this upload')], [416, true], second.body)
    slow.end(Buffer.concat(parts.slice(1)))
    assert.equal(await answered, 202)
    const done = await ask(c.url, 'PUT', `${bare}?digest=${digestOf(whole)}`)
    assert.equal(done.status, 201, done.body)
  })

  it('Redis away: a push on one replica works as ever', async () => {
    await using replicas = await startReplicas()
    await replicas.redis.kill()
    const { location } = await ask(replicas.a.url, 'POST', '/v2/own/app/blobs/uploads/')
    assert.equal((await ask(replicas.a.url, 'PUT', `${location}&digest=${digestOf(whole)}`, whole)).status, 201)
  })
})

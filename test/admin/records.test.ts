// What the admin API remembers: troubles, and what happened over time. And the live view, which works only while somebody listens.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Events } from '../../src/admin/events.ts'
import { explain } from '../../src/admin/explanations.ts'
import { History } from '../../src/admin/history.ts'
import { parseImageName } from '../../src/admin/image-names.ts'
import { Incidents } from '../../src/admin/incidents.ts'
import type { Sample, Status } from '../../src/admin/api.ts'
import { silentLog } from '../../src/telemetry/log.ts'
import { startScene } from '../scenarios/scene.ts'
import { until } from '../support/until.ts'
import { misfitsOf } from './openapi.ts'

const clockAt = (at: { ms: number }) => ({ now: () => at.ms, sleep: () => Promise.reject(new Error('nobody sleeps here')) })

test('the same trouble stands once, with how often it came and without secrets; the latest stands first', () => {
  const at = { ms: 1_000 }
  const incidents = new Incidents(clockAt(at))
  const log = incidents.listenTo(silentLog)
  log.warn({ upstream: 'hub', kind: 'timeout', error: new Error('GET https://user:pw@hub/?sig=abc failed') }, 'upstream is in trouble')
  log.error({ digest: 'sha256:1' }, 'a stored blob is damaged: it is put aside')
  log.info({}, 'all is well')
  at.ms = 61_000
  log.warn({ upstream: 'hub', kind: 'timeout' }, 'upstream is in trouble')
  const [first, second, ...others] = incidents.list()
  assert.deepEqual([first?.times, first?.firstAt, first?.lastAt], [2, '1970-01-01T00:00:01.000Z', '1970-01-01T00:01:01.000Z'])
  assert.match(first?.meaning ?? '', /^Upstream did not answer in time/)
  assert.match(second?.advice ?? '', /dying disk/)
  assert.deepEqual(others, [])
  log.warn({ upstream: 'other', error: new Error('GET https://user:pw@hub/?sig=abc failed') }, 'upstream is in trouble')
  assert.doesNotMatch(JSON.stringify(incidents.list()), /user:pw|sig=abc/)
  for (let each = 0; each < 200; each += 1) log.warn({}, `trouble ${each}`)
  assert.equal(incidents.list().length, 50)
  assert.equal(incidents.list()[0]?.message, 'trouble 199')
})

test('every kind of an upstream failure is explained, and any line is at least a sentence', () => {
  assert.match(explain('x', 'rate-limited').meaning, /limits/)
  assert.deepEqual(explain('something odd', undefined), { meaning: 'Something odd.', advice: null })
  assert.equal(explain('http.secret is not set. Set it', undefined).meaning, 'http.secret is not set. Set it.')
  assert.deepEqual(explain('something odd', 'constructor'), { meaning: 'Something odd.', advice: null })
})

test('samples are differences, and the old ones are kept more coarsely, so that their number is bounded', async () => {
  const traffic = { pulls: 5, hits: 2, stale: 0, misses: 3, servedBytes: 100, fetchedBytes: 10 }
  const at = { ms: 0 }
  const history = new History(() => Promise.resolve({ ...traffic }), clockAt(at))
  const told: Sample[] = []
  history.onSample = (sample) => told.push(sample)
  await history.sample()
  for (let each = 0; each < 1000; each += 1) {
    traffic.pulls += 2
    traffic.servedBytes += 7
    at.ms += 10_000
    await history.sample()
  }
  const samples = history.samples()
  assert.deepEqual(told[0], {
    at: '1970-01-01T00:00:10.000Z',
    seconds: 10,
    pulls: 2,
    hits: 0,
    stale: 0,
    misses: 0,
    servedBytes: 7,
    fetchedBytes: 0,
  })
  assert.equal(
    samples.reduce((sum, { pulls }) => sum + pulls, 0),
    2000,
  )
  assert.equal(
    samples.reduce((sum, { seconds }) => sum + seconds, 0),
    10_000,
  )
  assert.equal(samples.length, 720 + Math.ceil(280 / 30))
})

test('an image is named as clients name it', () => {
  const digest = `sha256:${'a'.repeat(64)}`
  assert.deepEqual(parseImageName('nginx'), { repository: 'nginx', reference: { tag: 'latest' } })
  assert.deepEqual(parseImageName('localhost:5000/a/b:1'), { repository: 'localhost.5000/a/b', reference: { tag: '1' } })
  assert.deepEqual(parseImageName(`a/b:1@${digest}`), { repository: 'a/b', reference: { digest } })
  for (const wrong of ['', 'A', 'a:', 'a@sha256:1', '../x', 'a:b:c'])
    assert.throws(() => parseImageName(wrong), { name: 'RegistryError' }, wrong)
})

test('the live view begins with how things stand, tells of changes, and rests when nobody listens', async () => {
  await using scene = await startScene({ config: { http: { addr: '127.0.0.1:0', debug: { addr: '127.0.0.1:0' } } } })
  const stop = new AbortController()
  const answer = await fetch(`${scene.registry.debugUrl}/admin/v1/events`, { signal: stop.signal })
  assert.equal(answer.headers.get('content-type'), 'text/event-stream')
  const seen: Status[] = []
  let rest = ''
  const reading = (async () => {
    for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
      rest += Buffer.from(chunk).toString()
      const events = rest.split('\n\n')
      rest = events.pop() ?? ''
      for (const event of events) if (event.startsWith('event: status\n')) seen.push(JSON.parse(event.split('data: ')[1] ?? '') as Status)
    }
  })().catch(() => undefined)
  await until('the first snapshot', () => seen.length > 0)
  assert.deepEqual(misfitsOf('GET', '/status', 200, seen[0]), [])
  await scene.manifest('library/none', '1')
  await until('what was pulled is told', () => (seen.at(-1)?.upstreams.length ?? 0) > 0)
  stop.abort()
  await reading
})

test('no snapshot is made while nobody listens, and streams end when the server stops', async () => {
  let made = 0
  let isStopping = false
  let ticks = 0
  const clock = { now: () => 0, sleep: () => new Promise<void>((resolve) => setImmediate(() => resolve(void (ticks += 1)))) }
  const status = () => Promise.resolve({ made: (made += 1) } as unknown as Status)
  const events = new Events({ status, isStopping: () => isStopping, clock, fail: (error) => assert.fail(String(error)) })
  const ended = Promise.withResolvers<void>()
  const res = { writeHead() {}, write() {}, on() {}, end: () => ended.resolve(), writableNeedDrain: false }
  assert.equal(made, 0)
  assert.equal(events.open({} as never, res as never), true)
  await until('it is told now and then', () => made > 3)
  isStopping = true
  await ended.promise
  const before = made
  const then = ticks
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual([made, events.size], [before, 0])
  assert.ok(ticks - then <= 1)
})

// Several workers behind one address: what they tell is told as one.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { together, type Standing } from '../../src/admin/together.ts'
import { startChild } from '../scenarios/child.ts'
import { startHub } from '../support/hub/hub.ts'
import { ociImage } from '../support/images.ts'
import { asking } from './asking.ts'
import { misfitsOf } from './openapi.ts'

const traffic = { pulls: 3, hits: 2, stale: 1, misses: 1, servedBytes: 10, fetchedBytes: 5 }
const quota = { limit: 100, remaining: 60, windowSeconds: 3600, resetsAt: '2026-01-01T01:00:00.000Z', source: null }
const upstream = {
  name: 'hub',
  account: null,
  state: 'up',
  failingSince: null,
  staleAnswers: 0,
  quota,
  pausedUntil: null,
  circuits: [],
} as const
const fill = { repository: 'a', digest: 'sha256:1', bytes: 5, size: 10, clients: 1, startedAt: '2026-01-01T00:00:05.000Z' }
const incident = {
  level: 'warn',
  firstAt: '2026-01-01T00:00:01.000Z',
  lastAt: '2026-01-01T00:00:02.000Z',
  times: 2,
  message: 'm',
  meaning: 'M.',
  advice: null,
  about: {},
} as const
const quiet: Standing = { health: 'well', problems: [], traffic, fills: [], upstreams: [upstream], incidents: [] }

test('standings are one: sums, the worst state, the tightest quota, each fill and each trouble once', () => {
  const one = { ...quiet, fills: [fill], incidents: [incident], problems: [{ part: 'redis', text: 'away' }] }
  const other: Standing = {
    ...one,
    health: 'troubled',
    fills: [{ ...fill, bytes: 7, clients: 2, startedAt: '2026-01-01T00:00:01.000Z' }],
    upstreams: [
      { ...upstream, state: 'open', failingSince: '2026-01-01T00:00:00.000Z', staleAnswers: 4, quota: { ...quota, remaining: 50 } },
    ],
    incidents: [{ ...incident, lastAt: '2026-01-01T00:00:09.000Z' }],
  }
  const all = together([one, quiet, other])
  assert.equal(all.health, 'troubled')
  assert.deepEqual(all.problems, [{ part: 'redis', text: 'away' }])
  assert.deepEqual(all.traffic, { pulls: 9, hits: 6, stale: 3, misses: 3, servedBytes: 30, fetchedBytes: 15 })
  assert.deepEqual(all.fills, [{ ...fill, bytes: 7, clients: 3, startedAt: '2026-01-01T00:00:01.000Z' }])
  assert.deepEqual(all.upstreams, [{ ...other.upstreams[0], staleAnswers: 4 }])
  assert.deepEqual(all.incidents, [{ ...incident, times: 4, lastAt: '2026-01-01T00:00:09.000Z' }])
})

test('with http.workers the status is that of all workers, whichever one answers', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-test-'))
  try {
    await using hub = await startHub()
    hub.add('some', ociImage({ seed: 'standing' }), { tags: ['1'] })
    await using child = await startChild({ folder, upstream: hub.url, http: { workers: 2, debug: { addr: '127.0.0.1:0' } } })
    const debugUrl = /the debug server listens" address=(\S+)/.exec(child.log())?.[1] ?? ''
    for (let pull = 0; pull < 10; pull += 1) {
      const answer = await fetch(`${child.url}/v2/library/some/manifests/1`, { headers: { connection: 'close', accept: '*/*' } })
      await answer.arrayBuffer()
      assert.equal(answer.status, 200)
    }
    for (let asked = 0; asked < 6; asked += 1) {
      const { body } = await asking(`http://${debugUrl}`).get('/status')
      assert.deepEqual(misfitsOf('GET', '/status', 200, body), [])
      assert.equal((body as { traffic: { pulls: number } }).traffic.pulls, 10)
      assert.equal((body as { upstreams: unknown[] }).upstreams.length, 1)
    }
    assert.deepEqual(await child.end('SIGTERM'), [0, null])
  } finally {
    await rm(folder, { recursive: true })
  }
})

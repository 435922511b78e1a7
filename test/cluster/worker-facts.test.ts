// Workers and their primary, over a channel of this process.
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { FactHost, factsOfPrimary } from '../../src/cluster/worker-facts.ts'
import { LeaseHost, WorkerLeases } from '../../src/cluster/worker-leases.ts'
import { answerQuestions, type Channel, type Link, linkTo, type Services } from '../../src/cluster/worker-link.ts'

/** A worker that has the primary's services. Messages are copied, as between processes. */
function workerWith(services: Services): Link {
  const [here, there] = [new EventEmitter(), new EventEmitter()]
  const end = (own: EventEmitter, other: EventEmitter): Channel => ({
    send: (message) => setImmediate(() => other.emit('message', JSON.parse(JSON.stringify(message)))),
    on: (event, listener) => own.on(event, listener),
  })
  answerQuestions(end(there, here), services)
  return linkTo(end(here, there))
}

test('a fact of one worker is known to the other, until its time is over', async () => {
  const host = new FactHost()
  const [one, two] = [factsOfPrimary(workerWith(host.services)), factsOfPrimary(workerWith(host.services))]
  assert.equal(await two.ask('GET', 'a'), null)
  await one.ask('SET', 'a', '{"x":1}', 'PX', 60_000)
  assert.equal(await two.ask('GET', 'a'), '{"x":1}')
  await one.ask('SET', 'a', 'old', 'PX', 1)
  while ((await two.ask('GET', 'a')) !== null) await new Promise(setImmediate)
})

test('a board is seen by all, in the order of its names', async () => {
  const host = new FactHost()
  const [one, two] = [factsOfPrimary(workerWith(host.services)), factsOfPrimary(workerWith(host.services))]
  await one.ask('HSET', 'board', 'a', '1')
  await two.ask('HSET', 'board', 'b', '2')
  await one.ask('HSET', 'board', 'a', '3')
  assert.deepEqual(await two.ask('HGETALL', 'board'), ['a', '3', 'b', '2'])
  assert.equal(await two.ask('HDEL', 'board', 'a'), 1)
  assert.deepEqual(await one.ask('HGETALL', 'board'), ['b', '2'])
})

test('a command that is none is an error of the asker', async () => {
  await assert.rejects(factsOfPrimary(workerWith(new FactHost().services)).ask('FLUSHALL'), /knows no command FLUSHALL/)
})

test('one worker holds a lease at a time, and is known by its name; what a dead one held is free', async () => {
  const host = new LeaseHost()
  const [a, b] = [{}, {}]
  const [linkA, linkB] = [workerWith(host.servicesFor(a)), workerWith(host.servicesFor(b))]
  await linkA.ask('lease.name', 'http://127.0.0.1:1')
  const [one, two] = [new WorkerLeases(linkA), new WorkerLeases(linkB)]
  const lease = await one.tryAcquire('fill:x')
  assert.equal(await lease?.isHeld(), true)
  assert.equal(await two.tryAcquire('fill:x'), undefined)
  assert.equal(await two.holderOf('fill:x'), 'http://127.0.0.1:1')
  assert.equal(await two.holderOf('fill:y'), undefined)

  const waiting = two.acquire('fill:x', AbortSignal.timeout(10_000))
  host.forget(a)
  const next = await waiting
  assert.ok(next.fence > (lease?.fence ?? 0), 'fences grow')
  assert.equal(await lease?.isHeld(), false)
  await lease?.release()
  assert.equal(await next.isHeld(), true, 'a late release takes nothing from the next holder')
  await next.release()
  assert.notEqual(await one.tryAcquire('fill:x'), undefined)
})

// What every implementation of Leases does.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Leases } from '../../src/cluster/leases.ts'

export interface LeasesUnderTest extends AsyncDisposable {
  /** Two nodes that agree with each other; the first is called `a`. Of one process both are the same. */
  readonly a: Leases
  readonly b: Leases
}

const signal = new AbortController().signal

export function leasesContract(name: string, open: () => Promise<LeasesUnderTest>): void {
  test(`${name}: one holds, the others do not`, async () => {
    await using nodes = await open()
    const lease = await nodes.a.tryAcquire('work')
    assert.equal(lease?.key, 'work')
    assert.equal(await nodes.b.tryAcquire('work'), undefined)
    assert.notEqual(await nodes.b.tryAcquire('other work'), undefined)
    assert.equal(await lease?.isHeld(), true)
    assert.equal(await nodes.b.holderOf('work'), 'a')
    assert.equal(await nodes.b.holderOf('nothing'), undefined)
  })

  test(`${name}: what is given up can be had at once, and is not held any more`, async () => {
    await using nodes = await open()
    const first = await nodes.a.acquire('work', signal)
    await first.release()
    assert.equal(await first.isHeld(), false)
    assert.equal(first.signal.aborted, false, 'giving up is not losing')
    const second = await nodes.b.tryAcquire('work')
    assert.ok(second !== undefined && second.fence > first.fence, 'fences grow')
    await first.release()
    assert.equal(await second.isHeld(), true, "a second release does not take the successor's lease")
  })

  test(`${name}: who waits gets it when it is free, one at a time`, async () => {
    await using nodes = await open()
    let holders = 0
    let most = 0
    const fences: number[] = []
    const work = async (leases: Leases) => {
      const lease = await leases.acquire('work', signal)
      holders += 1
      most = Math.max(most, holders)
      fences.push(lease.fence)
      await new Promise((resolve) => setImmediate(resolve))
      holders -= 1
      await lease.release()
    }
    await Promise.all(Array.from({ length: 8 }, (_, n) => work(n % 2 === 0 ? nodes.a : nodes.b)))
    assert.equal(most, 1)
    assert.deepEqual(
      fences,
      fences.toSorted((a, b) => a - b),
    )
    assert.equal(new Set(fences).size, 8)
  })

  test(`${name}: of many who try at once one has it`, async () => {
    await using nodes = await open()
    const tries = await Promise.all(Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? nodes.a : nodes.b).tryAcquire('work')))
    assert.equal(tries.filter((lease) => lease !== undefined).length, 1)
  })

  test(`${name}: waiting ends with the signal, and leaves nothing held`, async () => {
    await using nodes = await open()
    const lease = await nodes.a.acquire('work', signal)
    const patience = new AbortController()
    const waiting = nodes.b.acquire('work', patience.signal)
    patience.abort(new Error('enough'))
    await assert.rejects(waiting, /enough/)
    await lease.release()
    assert.notEqual(await nodes.a.tryAcquire('work'), undefined)
    await assert.rejects(nodes.a.acquire('more work', patience.signal), /enough/)
  })
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReservationHost } from '../../src/cluster/worker-reservations.ts'

test('each worker hears what the others have reserved, and a dead one has nothing', () => {
  const host = new ReservationHost()
  const [a, b] = [{}, {}]
  const tell = (worker: object, bytes: number) => host.servicesFor(worker)['room.reserved']?.(bytes)
  assert.equal(tell(a, 100), 0)
  assert.equal(tell(b, 30), 100)
  assert.equal(tell(a, 50), 30)
  assert.equal(tell(b, 0), 50)
  host.forget(a)
  assert.equal(tell(b, 10), 0)
})

// Each replica shows itself, says so, and knows where the others show themselves.
import assert from 'node:assert/strict'
import { hostname } from 'node:os'
import { describe, it } from 'node:test'
import { asking } from '../../admin/asking.ts'
import { JumpingClock } from '../../support/clock.ts'
import { needsPackages } from '../../support/packages.ts'
import type { Registry } from '../../support/registry.ts'
import { until } from '../../support/until.ts'
import { patientRedis, startReplicas } from './replicas.ts'

const name = 'replicas, and where they are shown'

interface Status {
  readonly replica: { readonly name: string; readonly others: readonly { readonly name: string; readonly dashboard: string | null }[] }
}

describe(name, await needsPackages(name, ['redis-server']), () => {
  it('an operator finds the others, and no more those that have ended', async () => {
    const clock = new JumpingClock()
    const http = { addr: '127.0.0.1:0', secret: 'shared', debug: { addr: '127.0.0.1:0' } }
    await using replicas = await startReplicas({ ownFolders: true, redisKeys: patientRedis, config: { http }, clock })
    const { a, b, c, redis } = replicas
    const othersAt = async (registry: Registry) => {
      clock.jump(5000)
      const { replica } = (await asking(registry.debugUrl).get('/status')).body as Status
      assert.equal(replica.name, hostname())
      return replica.others.map(({ dashboard }) => dashboard)
    }
    const dashboardsOf = (...registries: Registry[]) => registries.map(({ debugUrl }) => `${debugUrl}/dashboard`).toSorted()
    await until('all are known', async () => (await othersAt(a)).length === 2)
    assert.deepEqual(await othersAt(a), dashboardsOf(b, c))
    assert.deepEqual(await othersAt(c), dashboardsOf(a, b))
    const [address = ''] = dashboardsOf(b)
    assert.equal((await fetch(address)).status, 200)
    await c[Symbol.asyncDispose]()
    assert.deepEqual(await othersAt(a), dashboardsOf(b))
    // What is no address becomes no link, and who was killed is forgotten.
    await redis.cli('HSET', 'entrepot:replicas', 'x', JSON.stringify({ name: 'x', dashboard: 'javascript:1', until: clock.now() + 60_000 }))
    assert.equal((await othersAt(a)).length, 2)
    assert.ok((await othersAt(a)).includes(null))
    clock.jump(60_000)
    await othersAt(a)
    assert.equal(await redis.cli('HEXISTS', 'entrepot:replicas', 'x'), '0')
  })
})

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { startRegistry } from '../support/registry.ts'

it('silly passes whoever sends anything, and challenges the others as distribution does', async () => {
  await using registry = await startRegistry({ config: { auth: { silly: { realm: 'R', service: 'S' } } } })
  const refused = await fetch(`${registry.url}/v2/a/b/blobs/uploads/`, { method: 'POST' })
  assert.equal(refused.status, 401)
  assert.equal(refused.headers.get('www-authenticate'), 'Bearer realm="R",service="S",scope="repository:a/b:pull repository:a/b:push"')
  const ping = await fetch(`${registry.url}/v2/`)
  assert.equal(ping.headers.get('www-authenticate'), 'Bearer realm="R",service="S"')
  const passed = await fetch(`${registry.url}/v2/`, { headers: { authorization: 'anything' } })
  assert.equal(passed.status, 200)
})

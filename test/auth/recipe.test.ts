// The recipe for a password that people find everywhere: a file by `htpasswd -Bbn`, and three variables.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { needsPackages } from '../support/packages.ts'
import { startRegistry } from '../support/registry.ts'
import { runProgram } from '../support/servers/program.ts'
import { basic, statusOf } from './serving-htpasswd.ts'

describe('the recipe', await needsPackages('auth/recipe', ['apache2-utils']), () => {
  it('guards the registry', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'entrepot-auth-'))
    try {
      const path = join(folder, 'htpasswd')
      const { stdout } = await runProgram('htpasswd', ['-Bbn', 'testuser', 'testpassword'])
      await writeFile(path, stdout)
      const env = { REGISTRY_AUTH: 'htpasswd', REGISTRY_AUTH_HTPASSWD_REALM: 'Registry Realm', REGISTRY_AUTH_HTPASSWD_PATH: path }
      await using registry = await startRegistry({ env })
      const refused = await fetch(`${registry.url}/v2/`)
      assert.deepEqual([refused.status, refused.headers.get('www-authenticate')], [401, 'Basic realm="Registry Realm"'])
      assert.equal(await statusOf(registry, '/v2/', basic('testuser', 'testpassword')), 200)
      assert.ok(!registry.log.some((line) => line.includes('not built yet')))
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

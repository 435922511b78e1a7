// Which file is read.

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { bundledFile, readConfigurationFile } from '../../src/config/configuration-file.ts'
import { ConfigError } from '../../src/config/load.ts'

test('the argument comes first, then the variable, then our own; the usual places stand for each other', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-'))
  try {
    const [one, two] = [join(folder, 'one.yml'), join(folder, 'two.yml')]
    await writeFile(one, 'one')
    await writeFile(two, 'two')
    const env = { REGISTRY_CONFIGURATION_PATH: two }
    const nowhere = join(folder, 'nowhere.yml')
    assert.deepEqual(await readConfigurationFile(one, env), { file: one, text: 'one' })
    assert.equal((await readConfigurationFile(undefined, env)).text, 'two')
    assert.match((await readConfigurationFile(undefined, {})).text, /registry-1\.docker\.io/)
    assert.equal((await readConfigurationFile(nowhere, {}, [nowhere, two])).text, 'two')
    assert.equal((await readConfigurationFile(nowhere, {}, [nowhere])).file, bundledFile)
    await assert.rejects(
      readConfigurationFile(nowhere, env),
      (error) => error instanceof ConfigError && error.message === `${nowhere}: there is no such file`,
    )
    await assert.rejects(readConfigurationFile(folder, env), /this is a folder/)
  } finally {
    await rm(folder, { recursive: true })
  }
})

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { openAzure } from '../../../src/compose/azure-storage.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import type { AzureDriver } from '../../../src/store/drivers/azure.ts'
import { silentLog } from '../../../src/telemetry/log.ts'
import { storageDriverContract } from '../../contracts/storage-driver.ts'
import { seededBytes } from '../../support/images.ts'
import { until } from '../../support/until.ts'
import { account, accountKey, startAzureStub } from './azure-stub.ts'

const never = new AbortController().signal

async function openOn(url: string, more: object = {}): Promise<AzureDriver> {
  const azure = { accountname: account, accountkey: accountKey, container: 'registry', serviceurl: url, retry_delay: '1ms', ...more }
  const { config } = loadConfig({ text: JSON.stringify({ version: 0.1, storage: { azure } }), file: 'test.yml', env: {} })
  const driver = await openAzure(config, { clock: systemClock, log: silentLog })
  assert.ok(driver)
  return driver
}

async function openStub(more: object = {}) {
  const stub = await startAzureStub('registry')
  return { stub, driver: await openOn(stub.url, more), [Symbol.asyncDispose]: () => stub[Symbol.asyncDispose]() }
}

async function* chunks(...all: readonly (string | Buffer)[]): AsyncGenerator<Uint8Array, void, void> {
  for (const each of all) yield Buffer.from(each)
}

async function textAt(driver: AzureDriver, path: string): Promise<string> {
  return Buffer.from((await driver.read(path)) ?? Buffer.from('absent')).toString()
}

storageDriverContract('azure, on a stand-in', () => openStub({ rootdirectory: '/root/' }), { hasFolders: false })

describe('the Azure driver on a stand-in', () => {
  it('names and kinds of blobs are distribution’s: what grows is an append blob', async () => {
    await using opened = await openStub()
    const { driver, stub } = opened
    await driver.append('/docker/registry/v2/data', 0, chunks('x'), never)
    await driver.write('/docker/registry/v2/link', Buffer.from('x'))
    assert.deepEqual(stub.kinds(), { 'docker/registry/v2/data': 'AppendBlob', 'docker/registry/v2/link': 'BlockBlob' })
  })

  it('one kind of blob takes the place of the other', async () => {
    await using opened = await openStub()
    const { driver } = opened
    await driver.append('/a', 0, chunks('appended'), never)
    await driver.write('/a', Buffer.from('written'))
    assert.equal(await textAt(driver, '/a'), 'written')
    await driver.append('/b', 0, chunks('appended'), never)
    await driver.move('/b', '/a')
    assert.equal(await textAt(driver, '/a'), 'appended')
  })

  it('a big file of this machine goes up in blocks', async () => {
    await using opened = await openStub()
    const { driver, stub } = opened
    const folder = await mkdtemp(join(tmpdir(), 'entrepot-azure-'))
    try {
      const bytes = seededBytes('azure', 20_000_000)
      await writeFile(join(folder, 'file'), bytes)
      await driver.adopt(join(folder, 'file'), '/big')
      assert.ok(bytes.equals((await driver.read('/big')) ?? Buffer.alloc(0)))
      assert.equal(stub.requests.filter(({ query }) => query.get('comp') === 'block').length, 3)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('a block whose answer is lost is appended once', async () => {
    await using opened = await openStub()
    const { driver, stub } = opened
    stub.lostAnswers = 1
    assert.equal(await driver.append('/a', 0, chunks(Buffer.alloc(5_000_000, 'x')), never), 5_000_000)
    assert.equal((await driver.stat('/a'))?.size, 5_000_000)
  })

  it('of two who append at one place one is refused', async () => {
    await using opened = await openStub()
    const { driver } = opened
    async function* slow() {
      await driver.append('/a', 0, chunks('first'), never)
      yield Buffer.from('second')
    }
    await assert.rejects(driver.append('/a', 0, slow(), never))
    assert.equal(await textAt(driver, '/a'), 'first')
  })

  it('a copy on its way is waited for, and is not there before', async () => {
    await using opened = await openStub()
    const { driver, stub } = opened
    await driver.write('/a', Buffer.from('x'))
    stub.holdsCopies = true
    const moving = driver.move('/a', '/b')
    await until('the copy has begun', async () => 'b' in stub.kinds())
    assert.equal(await driver.stat('/b'), undefined)
    assert.equal((await driver.stat('/a'))?.size, 1)
    stub.holdsCopies = false
    await moving
    assert.deepEqual([await textAt(driver, '/a'), await textAt(driver, '/b')], ['absent', 'x'])
  })

  it('who touches a file while it is moved does not do so in vain', async () => {
    await using opened = await openStub()
    const { driver, stub } = opened
    await driver.write('/a', Buffer.from('x'))
    const at = Date.now() + 3_600_000
    stub.beforeDelete = async () => assert.equal(await driver.touch('/a', at), true)
    await driver.move('/a', '/b')
    assert.deepEqual([await driver.stat('/a'), (await driver.stat('/b'))?.modifiedAt], [undefined, at])
  })

  it('what is moved keeps its time, and what is appended to or replaced has a new one', async () => {
    await using opened = await openStub()
    const { driver } = opened
    const at = 1_600_000_000_000
    await driver.append('/a', 0, chunks('x'), never)
    await driver.touch('/a', at)
    await driver.move('/a', '/b')
    assert.equal((await driver.stat('/b'))?.modifiedAt, at)
    await driver.append('/b', 1, chunks('y'), never)
    assert.ok(((await driver.stat('/b'))?.modifiedAt ?? 0) > at)
    await driver.touch('/b', at)
    await driver.write('/b', Buffer.from('z'))
    assert.ok(((await driver.stat('/b'))?.modifiedAt ?? 0) > at)
  })

  it('an address is good for reading that one blob', async () => {
    await using opened = await openStub()
    const { driver } = opened
    await driver.write('/a b', Buffer.from('x'))
    const address = driver.redirect?.('/a b') ?? ''
    assert.equal(await (await fetch(address)).text(), 'x')
    assert.equal((await fetch(address.replace('/a%20b?', '/other?'))).status, 403)
    assert.equal((await fetch(address.replace('sp=r', 'sp=rw'))).status, 403)
  })

  it('a connection string stands for the account, its key and its address', async () => {
    await using stub = await startAzureStub('registry')
    const connectionstring = `DefaultEndpointsProtocol=http;AccountName=${account};AccountKey=${accountKey};BlobEndpoint=${stub.url};`
    const driver = await openOn('http://127.0.0.1:1/nowhere', { connectionstring, accountname: 'another', accountkey: 'bm9uZQ==' })
    await driver.write('/a', Buffer.from('x'))
    assert.equal(await (await fetch(driver.redirect?.('/a') ?? '')).text(), 'x')
  })

  it('a busy service is asked again', async () => {
    await using opened = await openStub()
    const { driver, stub } = opened
    stub.busy = 3
    await driver.write('/a', Buffer.from('x'))
    assert.equal(await textAt(driver, '/a'), 'x')
  })

  it('a wrong container and credentials that are not built stop the start with the key of the configuration', async () => {
    await using stub = await startAzureStub('registry')
    const wrong: readonly (readonly [object, RegExp])[] = [
      [{ container: 'nowhere' }, /^Error: storage\.azure\.container: there is no container nowhere/],
      [{ accountkey: undefined }, /^Error: storage\.azure\.accountkey: missing/],
      [{ connectionstring: 'nonsense' }, /^Error: storage\.azure\.connectionstring: /],
      [{ credentials: { type: 'client_secret' } }, /^Error: storage\.azure\.credentials\.type: client_secret is not built/],
    ]
    for (const [parameters, complaint] of wrong) await assert.rejects(openOn(stub.url, parameters), complaint)
  })

  it('without its package the start says what to install', async () => {
    const connect = new URL('../../../src/store/drivers/azure-client.ts', import.meta.url).href
    const program = `import { registerHooks } from 'node:module'
      const resolve = (name, context, next) => {
        if (name === '@azure/storage-blob') throw new Error('not found')
        return next(name, context)
      }
      registerHooks({ resolve })
      const { connectAzure } = await import(${JSON.stringify(connect)})
      await connectAzure({}, {}).catch((error) => console.log(error.message))`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program])
    assert.match(stdout, /^storage\.azure: the package @azure\/storage-blob is not installed: npm install @azure\/storage-blob/)
  })
})

// What the parameters of a bucket make of the requests that go out, and what is done when the storage asks for patience.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openObjectStorage } from '../../../src/compose/object-storage.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import type { S3Driver } from '../../../src/store/drivers/s3.ts'
import { silentLog } from '../../../src/telemetry/log.ts'
import { type RecordedRequest, startS3Recorder } from './s3-recorder.ts'

const keys = { accesskey: 'theaccesskey', secretkey: 'secret' }
const never = new AbortController().signal
const mebibyte = 1024 * 1024

async function openBucket(url: string, more: object): Promise<S3Driver> {
  const document = { version: 0.1, storage: { s3: { bucket: 'bucket', regionendpoint: url, ...more } } }
  const { config } = loadConfig({ text: JSON.stringify(document), file: 'test.yml', env: {} })
  const driver = await openObjectStorage(config, { clock: systemClock, log: silentLog })
  assert.ok(driver)
  return driver
}

async function* twelveMebibytes(): AsyncGenerator<Uint8Array, void, void> {
  for (let index = 0; index < 12; index += 1) yield Buffer.alloc(mebibyte)
}

/** Everything that brings an object about: at once, in parts, by a copy, from a file. */
async function writeInAllWays(driver: S3Driver): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-s3-requests-'))
  try {
    await driver.write('/small', Buffer.from('x'))
    await driver.append('/parts', 0, twelveMebibytes(), never)
    await driver.move('/small', '/moved')
    await writeFile(join(folder, 'file'), 'x')
    await driver.adopt(join(folder, 'file'), '/adopted')
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** Those that say how an object is to be kept. */
function creating(requests: readonly RecordedRequest[]): Map<string, RecordedRequest['headers']> {
  const meant = requests.filter(({ method, query }) => (method === 'PUT' && !query.has('uploadId')) || query.has('uploads'))
  return new Map(meant.filter(({ method }) => method !== 'GET').map(({ path, headers }) => [path, headers]))
}

async function inEnvironment<T>(values: Readonly<Record<string, string>>, work: () => Promise<T>): Promise<T> {
  const known = Object.keys(process.env).filter((name) => name.startsWith('AWS_'))
  const before = Object.fromEntries(known.map((name) => [name, process.env[name]]))
  for (const name of known) delete process.env[name]
  Object.assign(process.env, values)
  try {
    return await work()
  } finally {
    for (const name of Object.keys(values)) delete process.env[name]
    Object.assign(process.env, before)
  }
}

describe('requests to S3', () => {
  const rows: readonly (readonly [string, object, Readonly<Record<string, string | undefined>>])[] = [
    ['nothing more', {}, { 'x-amz-storage-class': 'STANDARD', 'x-amz-acl': 'private', 'x-amz-server-side-encryption': undefined }],
    ['encrypt', { encrypt: true }, { 'x-amz-server-side-encryption': 'AES256', 'x-amz-server-side-encryption-aws-kms-key-id': undefined }],
    [
      'encrypt and keyid',
      { encrypt: true, keyid: 'alias/mine' },
      { 'x-amz-server-side-encryption': 'aws:kms', 'x-amz-server-side-encryption-aws-kms-key-id': 'alias/mine' },
    ],
    ['storageclass', { storageclass: 'STANDARD_IA' }, { 'x-amz-storage-class': 'STANDARD_IA' }],
    ['storageclass NONE', { storageclass: 'NONE' }, { 'x-amz-storage-class': undefined }],
    ['objectacl', { objectacl: 'bucket-owner-full-control' }, { 'x-amz-acl': 'bucket-owner-full-control' }],
  ]
  for (const [what, parameters, expected] of rows) {
    it(`${what}: of every object, in whatever way it comes about`, async () => {
      await using s3 = await startS3Recorder()
      await using driver = await openBucket(s3.url, { ...keys, ...parameters })
      await writeInAllWays(driver)
      const seen = creating(s3.requests)
      for (const path of ['/bucket/small', '/bucket/parts', '/bucket/moved', '/bucket/adopted']) {
        const headers = seen.get(path)
        assert.ok(headers, `${path} of ${[...seen.keys()].join(', ')}`)
        const got = Object.fromEntries(Object.keys(expected).map((name) => [name, headers[name]]))
        assert.deepEqual(got, expected, path)
        assert.equal(headers['content-type'], 'application/octet-stream', path)
      }
    })
  }

  it('redirectendpoint, rootdirectory and useragent are where they belong', async () => {
    await using s3 = await startS3Recorder()
    const parameters = { ...keys, redirectendpoint: 'https://cdn.example.com', rootdirectory: '/some/root', useragent: 'ours/1' }
    await using driver = await openBucket(s3.url, parameters)
    await driver.write('/a', Buffer.from('x'))
    const put = s3.requests.at(-1)
    assert.equal(put?.path, '/bucket/some/root/a')
    assert.match(put.headers['user-agent'] ?? '', /ours\/1/)
    const address = new URL((await driver.redirect?.('/a', 'GET')) ?? '')
    assert.deepEqual([address.origin, address.pathname], ['https://cdn.example.com', '/bucket/some/root/a'])
    assert.equal(address.searchParams.get('X-Amz-SignedHeaders'), 'host')
  })

  it('without keys in the configuration, those of the environment sign reading, writing and addresses', async () => {
    const environment = { AWS_ACCESS_KEY_ID: 'fromenvironment', AWS_SECRET_ACCESS_KEY: 'secret', AWS_SESSION_TOKEN: 'a session' }
    await inEnvironment(environment, async () => {
      await using s3 = await startS3Recorder()
      await using driver = await openBucket(s3.url, {})
      await driver.write('/a', Buffer.from('x'))
      await driver.read('/a')
      for (const { method, headers } of s3.requests) {
        assert.match(headers.authorization ?? '', /Credential=fromenvironment\//, method)
        assert.equal(headers['x-amz-security-token'], 'a session', method)
      }
      const { searchParams } = new URL((await driver.redirect?.('/a', 'GET')) ?? '')
      assert.match(searchParams.get('X-Amz-Credential') ?? '', /^fromenvironment\//)
      assert.equal(searchParams.get('X-Amz-Security-Token'), 'a session')
    })
  })

  it('a shared credentials file gives the keys of the profile', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'entrepot-credentials-'))
    try {
      const file = join(folder, 'credentials')
      await writeFile(
        file,
        '[default]\naws_access_key_id = other\naws_secret_access_key = x\n[mine]\naws_access_key_id = fromfile\naws_secret_access_key = y\n',
      )
      await inEnvironment({ AWS_SHARED_CREDENTIALS_FILE: file, AWS_PROFILE: 'mine' }, async () => {
        await using s3 = await startS3Recorder()
        await using driver = await openBucket(s3.url, {})
        assert.equal(await driver.read('/a'), undefined)
        assert.match(s3.requests.at(-1)?.headers.authorization ?? '', /Credential=fromfile\//)
      })
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('no keys anywhere: the start says which key of the configuration is missing', async () => {
    const nothing = { AWS_EC2_METADATA_DISABLED: 'true', AWS_SHARED_CREDENTIALS_FILE: '/nowhere', AWS_CONFIG_FILE: '/nowhere' }
    await inEnvironment(nothing, async () => {
      await using s3 = await startS3Recorder()
      await assert.rejects(openBucket(s3.url, {}), /^Error: storage\.s3\.accesskey: missing, and the environment has no credentials either/)
    })
  })

  it('renewing costs three requests, and one where there is nothing, or nothing to renew', async () => {
    await using s3 = await startS3Recorder()
    await using driver = await openBucket(s3.url, keys)
    await driver.write('/a', Buffer.from('x'))
    const asked = async (path: string, afterMs: number) => {
      const before = s3.requests.length
      await driver.touch(path, Date.now() + afterMs)
      return s3.requests.slice(before).map(({ method }) => method)
    }
    assert.deepEqual([await asked('/a', 0), await asked('/absent', 0)], [['HEAD'], ['HEAD']])
    const later = driver.renewalSlackMs + 60_000
    assert.deepEqual([await asked('/a', later), await asked('/absent', later)], [['HEAD', 'PUT', 'HEAD'], ['HEAD']])
    assert.deepEqual(await asked('/a', later), ['HEAD'], 'it was noted a moment ago')
    assert.deepEqual(await asked('/a', 2 * later), ['HEAD', 'PUT', 'HEAD'])
  })

  it('503 SlowDown is asked again, and what was meant happens once', async () => {
    await using s3 = await startS3Recorder()
    await using driver = await openBucket(s3.url, keys)
    for (const ask of [() => driver.write('/a', Buffer.from('x')), () => driver.read('/a'), () => driver.stat('/a')]) {
      s3.slowDowns = 2
      await ask()
      assert.equal(s3.slowDowns, 0)
    }
    assert.equal(Buffer.from((await driver.read('/a')) ?? []).toString(), 'x')
  })
})

// REGISTRY_* variables: distribution's rules, and what it loses or panics at.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { ConfigError, loadConfig } from '../../src/config/load.ts'
import type { Config, Environment, Loaded } from '../../src/config/load.ts'

const file = `version: 0.1
storage:
  filesystem:
    rootdirectory: /data
  cache:
    blobdescriptor: inmemory
  delete:
    enabled: true
http:
  headers:
    X-Content-Type-Options: [nosniff]
proxy:
  remoteurl: https://h
`

function load(env: Environment, text = file): Loaded {
  return loadConfig({ text, file: 'c.yml', env })
}

function config(env: Environment, text = file): Config {
  const loaded = load(env, text)
  assert.deepEqual(
    loaded.warnings.filter(({ kind }) => kind === 'environment' || kind === 'unknown'),
    [],
  )
  return loaded.config
}

test('single values take the type of their key', () => {
  assert.equal(config({ REGISTRY_HTTP_ADDR: ':5001' }).http.addr, ':5001')
  assert.equal(config({ REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: '/x' }).storage.filesystem?.rootdirectory, '/x')
  assert.equal(config({ REGISTRY_HTTP_RELATIVEURLS: 'yes' }).http.relativeurls, true)
  assert.equal(config({ REGISTRY_PROXY_TAGS_TTL: '1h30m' }).proxy?.tags.ttl, 5_400_000)
  assert.equal(config({ REGISTRY_PROXY_TTL: '10' }).proxy?.ttl, 0.00001)
  assert.equal(config({ REGISTRY_PROXY_PASSWORD: '0123' }).proxy?.password, '0123')
  assert.equal(config({ REGISTRY_PROXY_REMOTEURL: '' }).proxy, undefined)
  assert.equal(config({ REGISTRY_PROXY_EXEC_COMMAND: '/bin/helper' }).proxy?.exec?.command, '/bin/helper')
  assert.equal(config({ REGISTRY_LOGLEVEL: 'debug' }).log.level, 'debug')
  assert.equal(config({ REGISTRY_LOGLEVEL: 'debug', REGISTRY_LOG_LEVEL: 'warn' }).log.level, 'warn')
  assert.equal(config({ REGISTRY_PROXY_REMOTEURL: 'https://other' }, 'version: 0.1\nstorage: inmemory').proxy?.remoteurl, 'https://other')
})

test('a password that is no good YAML arrives whole', () => {
  for (const password of ['{x', 'a: b', 'a #b', '@x', '*x', '[y]', '!z', 'null#', '%']) {
    assert.equal(config({ REGISTRY_PROXY_PASSWORD: password }).proxy?.password, password)
  }
  assert.equal(config({ REGISTRY_PROXY_PASSWORD: '"quoted "' }).proxy?.password, 'quoted ')
})

test('sections and lists can be given whole', () => {
  assert.deepEqual(config({ REGISTRY_STORAGE_MAINTENANCE_READONLY: '{"enabled":true}' }).storage.maintenance.readonly, { enabled: true })
  assert.deepEqual(config({ REGISTRY_REDIS_ADDRS: '[a:1, b:2]' }).redis?.addrs, ['a:1', 'b:2'])
  assert.deepEqual(config({ REGISTRY_REDIS_ADDRS: 'a:1' }).redis?.addrs, ['a:1'])
  assert.equal(config({ REGISTRY_STORAGE: '{"inmemory":{}}' }).storage.delete.enabled, false)
})

test('REGISTRY_STORAGE replaces the section, and what is more special comes on top', () => {
  const { storage } = config({ REGISTRY_STORAGE_S3_BUCKET: 'b', REGISTRY_STORAGE: 's3' })
  assert.equal(storage.s3?.bucket, 'b')
  assert.equal(storage.filesystem, undefined)
  assert.equal(storage.cache.blobdescriptor, undefined)
  assert.deepEqual(config({ REGISTRY_STORAGE: 'inmemory' }).storage.inmemory, {})
})

test("a variable's driver displaces the file's, and that is told", () => {
  const { config: loaded, warnings } = load({ REGISTRY_STORAGE_S3_BUCKET: 'b', REGISTRY_STORAGE_S3_REGION: 'r' })
  assert.equal(loaded.storage.s3?.region, 'r')
  assert.equal(loaded.storage.filesystem, undefined)
  assert.equal(loaded.storage.delete.enabled, true)
  const told = warnings.filter(({ kind }) => kind === 'environment').map(({ where, message }) => `${where}: ${message}`)
  assert.deepEqual(told, ["REGISTRY_STORAGE_S3_BUCKET: the environment sets storage.s3, so the file's storage.filesystem is not used"])
})

test('authentication from variables alone', () => {
  const loaded = config({ REGISTRY_AUTH: 'htpasswd', REGISTRY_AUTH_HTPASSWD_REALM: 'r', REGISTRY_AUTH_HTPASSWD_PATH: '/p' })
  assert.deepEqual(loaded.auth?.htpasswd, { realm: 'r', path: '/p' })
})

test('maps: a known key in any case, a new one in lower case', () => {
  const { headers } = config({
    'REGISTRY_HTTP_HEADERS_Access-Control-Allow-Origin': '[*]'.replace('*', '"*"'),
    'REGISTRY_HTTP_HEADERS_X-CONTENT-TYPE-OPTIONS': '[a]',
  }).http
  assert.deepEqual(headers, { 'X-Content-Type-Options': ['a'], 'access-control-allow-origin': ['*'] })
  assert.deepEqual(config({ REGISTRY_LOG_FIELDS_SERVICE: 'mirror' }).log.fields, { service: 'mirror' })
  assert.equal(
    config({ 'REGISTRY_PROXY_UPSTREAMS_GHCR.IO_REMOTEURL': 'https://ghcr.io' }).proxy?.upstreams['ghcr.io']?.remoteurl,
    'https://ghcr.io',
  )
})

test('lists grow by index, also lists of single values', () => {
  assert.deepEqual(config({ REGISTRY_REDIS_ADDRS_0: 'a:1', REGISTRY_REDIS_ADDRS_1: 'b:2' }).redis?.addrs, ['a:1', 'b:2'])
  const env = Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`REGISTRY_PROXY_PIN_${at}`, `p${at}`]))
  assert.equal(config(env).proxy?.pin.join(' '), 'p0 p1 p2 p3 p4 p5 p6 p7 p8 p9 p10 p11')
  const [endpoint] = config({
    REGISTRY_NOTIFICATIONS_ENDPOINTS_0_URL: 'http://h',
    REGISTRY_NOTIFICATIONS_ENDPOINTS_0_HEADERS_AUTHORIZATION: '[Bearer x]',
  }).notifications.endpoints
  assert.equal(endpoint?.url, 'http://h')
  assert.deepEqual(endpoint?.headers, { authorization: ['Bearer x'] })
  assert.throws(
    () => load({ REGISTRY_REDIS_ADDRS_5: 'a:1' }),
    (error) =>
      error instanceof ConfigError &&
      error.message === 'REGISTRY_REDIS_ADDRS_5: redis.addrs[5]: undefined index: 5; the list has 0 entries, so the next one is 0',
  )
})

test("the names of distribution's program are known beside those of the file", () => {
  for (const section of ['EVENTCONFIG', 'EVENTS']) {
    assert.equal(config({ [`REGISTRY_NOTIFICATIONS_${section}_INCLUDEREFERENCES`]: 'true' }).notifications.events.includereferences, true)
  }
  for (const name of ['FILECHECKERS', 'FILE']) assert.equal(config({ [`REGISTRY_HEALTH_${name}_0_FILE`]: '/f' }).health.file[0]?.file, '/f')
  for (const name of ['MAILOPTIONS', 'OPTIONS']) {
    assert.equal(config({ [`REGISTRY_LOG_HOOKS_0_${name}_SMTP_ADDR`]: 'm:25' }).log.hooks[0]?.options?.smtp?.addr, 'm:25')
  }
  for (const name of ['ADDRS', 'OPTIONS_ADDRS']) assert.deepEqual(config({ [`REGISTRY_REDIS_${name}`]: '[a:1]' }).redis?.addrs, ['a:1'])
  assert.deepEqual(config({ REGISTRY_REDIS_ADDR: 'a:1', REGISTRY_REDIS_POOL_MAXIDLE: '7' }).redis?.maxidleconns, 7)
})

test('what distribution panics at is accepted', () => {
  assert.equal(config({ REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED: 'true' }).storage.maintenance.readonly.enabled, true)
  assert.equal(config({ REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_ENABLED: 'false' }).storage.maintenance.uploadpurging.enabled, false)
  const azure = { REGISTRY_STORAGE_AZURE_ACCOUNTNAME: 'a', REGISTRY_STORAGE_AZURE_CONTAINER: 'c', REGISTRY_STORAGE_AZURE_MAX_RETRIES: '9' }
  assert.equal(config({ REGISTRY_STORAGE: 'azure', ...azure }).storage.azure?.max_retries, 9)
})

test('a variable that names nothing is told and ignored', () => {
  const env = { REGISTRY_PORT_5000_TCP: 'tcp://10.0.0.1:5000', REGISTRY_http_addr: ':1', REGISTRY_HTTP_NOSUCH: 'x', REGISTRY_: 'x' }
  const { config: loaded, warnings } = load({ ...env, REGISTRY_CONFIGURATION_PATH: '/c.yml', PATH: '/bin', registry_http_addr: ':2' })
  assert.equal(loaded.http.addr, ':5000')
  assert.deepEqual(
    warnings.map(({ message }) => message).toSorted(),
    Object.keys(env)
      .map((name) => `Ignoring unrecognized environment variable ${name}`)
      .toSorted(),
  )
})

test('a wrong value stops the start and names the variable', () => {
  const refusal = (env: Environment): string => {
    try {
      load(env)
    } catch (error) {
      return error instanceof ConfigError ? error.message : String(error)
    }
    return assert.fail('it was accepted')
  }
  assert.match(
    refusal({ REGISTRY_HTTP_RELATIVEURLS: 'perhaps' }),
    /^REGISTRY_HTTP_RELATIVEURLS: http.relativeurls: found "perhaps"; allowed: true or false$/,
  )
  assert.match(
    refusal({ REGISTRY_HTTP_HEADERS: '{a: [' }),
    /^REGISTRY_HTTP_HEADERS: http.headers: parsing environment variable REGISTRY_HTTP_HEADERS: /,
  )
  assert.match(refusal({ REGISTRY_HTTP: 'x' }), /^REGISTRY_HTTP: http: found a single value; allowed: keys and values$/)
})

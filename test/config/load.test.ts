// The file: what is understood, what is told about what is not, and where.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'

import { ConfigError, loadConfig } from '../../src/config/load.ts'
import type { Loaded } from '../../src/config/load.ts'

const least = 'version: 0.1\nstorage: inmemory\n'

function load(text: string, strict = false): Loaded {
  return loadConfig({ text, file: 'c.yml', env: {}, strict })
}

/** The problems of a refused text, as `where path: message`. */
function problemsOf(text: string, strict = false): string[] {
  try {
    load(text, strict)
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    return error.problems.map(({ where, path, message }) => `${where} ${path}: ${message}`)
  }
  return assert.fail('it was accepted')
}

function warningsOf(text: string, kind: string): string[] {
  return load(text)
    .warnings.filter((warning) => warning.kind === kind)
    .map(({ where, message }) => `${where} ${message}`)
}

test('the bundled files load; the mirror without a single warning', async () => {
  const read = async (name: string): Promise<Loaded> =>
    load(await readFile(new URL(`../../config/${name}.yml`, import.meta.url), 'utf8'), true)
  const mirror = await read('mirror')
  assert.deepEqual(mirror.warnings, [])
  assert.equal(mirror.config.proxy?.remoteurl, 'https://registry-1.docker.io')
  assert.equal(mirror.config.http.addr, ':5000')
  assert.equal(mirror.config.storage.filesystem?.rootdirectory, './data')
  assert.equal((await read('registry')).config.proxy, undefined)
  const cluster = await read('cluster')
  assert.deepEqual(
    cluster.warnings.map(({ kind, path }) => `${kind} ${path}`),
    [],
  )
})

test('defaults are filled in, spans are milliseconds', () => {
  const { config } = load(`${least}proxy: {remoteurl: "http://127.0.0.1:1"}`)
  assert.equal(config.log.level, 'info')
  assert.equal(config.http.addr, ':5000')
  assert.equal(config.storage.maintenance.uploadpurging.age, 604_800_000)
  assert.equal(config.proxy?.connecttimeout, 5000)
  assert.equal(config.proxy?.responseheadertimeout, 15_000)
  assert.equal(config.proxy?.bodyidletimeout, 30_000)
  assert.deepEqual(
    { ...config.proxy?.tags },
    {
      ttl: 0,
      stalewhilerevalidate: 0,
      revalidatetimeout: 2000,
      staleiferror: 720 * 3_600_000,
      staleifdenied: false,
      staleifdeleted: false,
      rules: [],
    },
  )
})

test('misplaced keys of a real registry:2 file are told with line and likely place, and it starts', () => {
  const text = [
    'version: 0.1',
    'log:',
    '  accesslog:',
    '    disabled: true',
    '  level: debug',
    '  formatter: text',
    '  fields:',
    '    service: registry',
    'storage:',
    '  filesystem:',
    '    rootdirectory: /var/lib/registry',
    '    maxthreads: 100',
    '  delete:',
    '    enabled: false',
    '  redirect:',
    '    disable: false',
    '  cache:',
    '    blobdescriptor: inmemory',
    '  maintenance:',
    '    readonly:',
    '      enabled: false',
    'http:',
    '  addr: :5000',
    'tls:',
    '  certificate: /etc/ssl/docker/docker_registry.crt',
    '  key: /etc/ssl/docker/docker_registry.key',
    'headers:',
    '  X-Content-Type-Options: [nosniff]',
    'health:',
    'storagedriver:',
    '  enabled: true',
    '  interval: 10s',
    '  threshold: 3',
  ].join('\n')
  assert.deepEqual(warningsOf(text, 'unknown'), [
    'c.yml:24:1 unknown key "tls", it has no effect; did you mean http.tls?',
    'c.yml:27:1 unknown key "headers", it has no effect; did you mean http.headers?',
    'c.yml:30:1 unknown key "storagedriver", it has no effect; did you mean health.storagedriver?',
  ])
  assert.deepEqual(load(text).config.http.tls, undefined)
  assert.equal(problemsOf(text, true).length, 3)
})

test('a misspelt key is told with the right word', () => {
  const cases: readonly [string, string][] = [
    ['htpp: {addr: ":1"}', 'http'],
    ['proxy: {remote_url: "https://x.y"}', 'proxy.remoteurl'],
    ['proxy: {remoteURL: "https://x.y"}', 'proxy.remoteurl'],
    ['http: {adr: ":1"}', 'http.addr'],
    ['http: {remoteurl: "https://x.y"}', 'proxy.remoteurl'],
    ['maxsize: 80%', 'proxy.maxsize'],
    ['http: {certificate: /c.pem}', 'http.tls.certificate'],
  ]
  for (const [line, place] of cases) {
    const [warning = ''] = warningsOf(`${least}${line}`, 'unknown')
    assert.ok(warning.endsWith(`did you mean ${place}?`), `${line} → ${warning}`)
  }
  assert.deepEqual(warningsOf(`${least}zebra: 1`, 'unknown'), ['c.yml:3:1 unknown key "zebra", it has no effect'])
})

test('all problems are found at once, each with its place', () => {
  const text = `version: 0.1
log: {level: loud}
storage:
  inmemory:
http:
  addr: 5000
  prefix: x
  draintimeout: 10d
  headers: [a]
proxy:
  remoteurl: registry-1.docker.io
  insecure: maybe
`
  assert.deepEqual(problemsOf(text), [
    'c.yml:2:14 log.level: found "loud"; allowed: error, warn, info, debug',
    'c.yml:8:17 http.draintimeout: found "10d" (there is no unit for days: write 240h); allowed: a span such as 500ms, 30s, 1h30m',
    'c.yml:9:3 http.headers: found a list; allowed: keys and values',
    'c.yml:11:14 proxy.remoteurl: found "registry-1.docker.io" (write https://registry-1.docker.io); allowed: a URL that begins with http:// or https://',
    'c.yml:12:13 proxy.insecure: found "maybe"; allowed: true or false',
  ])
  assert.deepEqual(problemsOf(`${least}http: {addr: 5000, prefix: /x}`), [
    'c.yml:3:14 http.addr: found "5000"; allowed: :5000, host:5000, [::1]:5000',
    'c.yml:3:28 http.prefix: found "/x"; allowed: a path that begins and ends with a slash, such as /registry/',
  ])
})

test('version and storage', () => {
  assert.deepEqual(problemsOf(''), [
    'c.yml version: missing; allowed: 0.1',
    'c.yml storage: no storage driver is given; allowed: exactly one of filesystem, inmemory, s3, azure, gcs',
  ])
  assert.match(problemsOf('version: 0.2\nstorage: inmemory')[0] ?? '', /^c.yml:1:10 version: found "0.2"; allowed: 0.1$/)
  assert.match(
    problemsOf('version: 0.1\nstorage: {inmemory: {}, filesystem: {}}').join(),
    /c.yml:2:1 storage: found filesystem and inmemory; allowed: exactly one/,
  )
  assert.match(problemsOf('version: 0.1\nstorage: {swift: {username: a}}').join(), /storage.swift: this driver is gone/)
  assert.match(problemsOf('version: 0.1\nstorage: {cache: {blobdescriptor: inmemory}}').join(), /no storage driver/)
  assert.match(problemsOf('version: 0.1\nstorage: nosuch').join(), /no storage driver/)
  assert.equal(load(`${least}catalog: {maxentries: -1}`).config.catalog.maxentries, 1000)
  assert.equal(load(`${least}tags: {maxtags: 7}`).config.tags.maxtags, 7)
  assert.match(problemsOf(`${least}tags: {maxtags: -1}`).join(), /found "-1"; allowed: a whole number from 0/)
  assert.match(problemsOf('version: 0.1\nstorage: {inmemory: , cache: {blobdescriptor: redis}}').join(), /no redis.addrs/)
  assert.match(problemsOf(`${least}auth: {htpasswd: {realm: r}}`).join(), /c.yml:3:8 auth.htpasswd.path: missing; allowed: a single value/)
})

test('text that is no YAML is told in plain words', () => {
  assert.match(problemsOf('version: 0.1\nhttp:\n\taddr: :5000').join(), /^c.yml:3:\d+ : a tab indents this line/)
  assert.match(problemsOf('version: 0.1\nhttp: [').join(), /c.yml:2:8 : a bracket/)
  assert.match(problemsOf('- a\n- b').join(), /c.yml:1:1 : found a list; allowed: keys and values/)
  assert.match(problemsOf('version: 0.1\na: &a {b: *a}').join(), /an alias contain itself/)
  assert.equal(load('version: 0.1\nstorage: inmemory\nhttp: {addr: :5001}').config.http.addr, ':5001')
})

test('a key given twice: the later one counts, sections are joined, and it is told', () => {
  const text = 'version: 0.1\nstorage: inmemory\nhttp:\n  addr: :5001\n  secret: s\nhttp:\n  addr: :5002\n'
  const { config } = load(text)
  assert.equal(config.http.addr, ':5002')
  assert.equal(config.http.secret, 's')
  assert.deepEqual(warningsOf(text, 'duplicate'), [
    'c.yml:6:1 "http" is given twice, first at c.yml:3:1; where they differ, the later one counts',
  ])
  assert.equal(problemsOf(text, true).length, 1)
})

test('spellings of both releases mean the same', () => {
  const old = load(`version: 0.1\nloglevel: warn\nstorage: {s3aws: {bucket: b}, cache: {layerinfo: redis}}
redis: {addr: "h:6379", pool: {maxidle: 3, maxactive: 4, idletimeout: 300s}}`)
  assert.equal(old.config.log.level, 'warn')
  assert.equal(old.config.storage.s3?.bucket, 'b')
  assert.equal(old.config.storage.cache.blobdescriptor, 'redis')
  assert.deepEqual(old.config.redis?.addrs, ['h:6379'])
  assert.equal(old.config.redis?.poolsize, 4)
  assert.equal(old.config.redis?.connmaxidletime, 300_000)
  assert.deepEqual(
    old.warnings.filter(({ kind }) => kind === 'unknown'),
    [],
  )
  assert.equal(load(`${least}loglevel: debug\nlog: {level: error}`).config.log.level, 'error')
})

test('text stays text, whatever it looks like', () => {
  const { config } = load(`${least}http: {secret: 0123}\nproxy: {remoteurl: "https://h", username: 1e3, password: yes}`)
  assert.equal(config.http.secret, '0123')
  assert.equal(config.proxy?.username, '1e3')
  assert.equal(config.proxy?.password, 'yes')
  assert.deepEqual(load(`${least}log: {fields: {service: registry, shard: 3}}`).config.log.fields, { service: 'registry', shard: 3 })
})

test('what is allowed and odd is told', () => {
  const odd = (line: string): string => warningsOf(`${least}${line}`, 'odd').join('\n')
  assert.match(odd('proxy: {remoteurl: "https://h", password: p}'), /has no effect without proxy.username/)
  assert.match(odd('proxy: {remoteurl: "https://h", username: u}'), /has no effect without proxy.password/)
  const accounts = 'accounts: {anna: {username: u, password: p}}'
  assert.match(odd(`proxy: {remoteurl: "https://h", ${accounts}}`), /has no effect without proxy.authorization: upstream/)
  assert.equal(odd(`proxy: {remoteurl: "https://h", authorization: upstream, ${accounts}}`), '')
  assert.match(odd('proxy: {remoteurl: "https://h", authorization: upstream, authorizationttl: 25h}'), /for more than a day/)
  assert.match(odd('proxy: {remoteurl: "https://hub.docker.com"}'), /did you mean https:\/\/registry-1.docker.io/)
  assert.match(odd('proxy: {remoteurl: "https://u:sesame@h"}'), /write proxy.username/)
  assert.match(odd('proxy: {username: u}'), /nothing is mirrored/)
  assert.match(odd('http: {draintimeout: 10}'), /10 counts nanoseconds; did you mean 10s/)
  assert.equal(load(`${least}proxy: {remoteurl: ""}`).config.proxy, undefined)
  assert.equal(odd('proxy: {remoteurl: "https://h", username: u, password: p}'), '')
})

test('a feature that is not built says so, unless it is switched off', () => {
  const pending = (line: string): string[] => warningsOf(`${least}proxy: {remoteurl: "https://h"}\n${line}`, 'pending')
  assert.deepEqual(pending('http: {h2c: {enabled: false}, accel: none}\nredis: {}'), [])
  assert.match(pending('cluster: {advertise: h}').join(), /^c.yml:4:\d+ streaming fills/)
  assert.deepEqual(pending('auth: none'), [])
})

// The effective configuration: complete, usable again, and without a secret.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { loadConfig } from '../../src/config/load.ts'
import { formatConfig } from '../../src/config/redact.ts'

const load = (text: string) => loadConfig({ text, file: 'c.yml', env: {}, strict: true }).config

test('what is printed loads again to the same configuration', () => {
  const config = load(`version: 0.1
log: {level: warn, fields: {service: registry, shard: 3}}
storage: {filesystem: {rootdirectory: ./data}, minfree: 5%, maintenance: {uploadpurging: {age: 1h30m0.5s}}}
http: {addr: "[::1]:5000", prefix: /a/, headers: {X-A: [b, c]}, workers: auto, limits: {headersize: 16KiB}}
redis: {addrs: [a:1], dialtimeout: 10ms, readtimeout: -1s}
proxy:
  remoteurl: https://registry-1.docker.io
  maxsize: 200GiB
  ttl: 0
  tags: {ttl: 30s, rules: [{match: "library/*:latest", ttl: 1m}]}
  upstreams: {ghcr.io: {remoteurl: "https://ghcr.io", mirrors: ["https://m1", {remoteurl: "https://m2", insecure: true}]}}
health: {tcp: [{addr: "h:1", timeout: 3s}]}
`)
  assert.deepEqual(load(formatConfig(config)), config)
})

test('no secret is printed', () => {
  const printed = formatConfig(
    load(`version: 0.1
log: {hooks: [{type: mail, options: {smtp: {password: sesame1}}}]}
storage: {s3: {bucket: b, accesskey: sesame2, secretkey: sesame3, regionendpoint: "https://u:sesame4@s3"}}
http: {secret: sesame5}
redis: {addrs: [h:1], password: sesame6, sentinelpassword: sesame7}
notifications: {endpoints: [{url: "https://u:sesame8@h/x?token=sesame9", headers: {Authorization: [sesame10]}}]}
health: {http: [{uri: "https://u:sesame11@h", headers: {X-Key: [sesame12]}}]}
middleware: {storage: [{name: cloudfront, options: {privatekey: sesame13, nested: {password: sesame14}}}]}
proxy:
  remoteurl: https://u:sesame15@h
  password: sesame16
  upstreams: {x.y: {remoteurl: "https://x.y", password: sesame17, mirrors: [{remoteurl: "https://u:sesame18@m", password: sesame19}]}}
reporting: {newrelic: {licensekey: sesame20}}
`),
  )
  assert.deepEqual(printed.match(/sesame\d+/g), null)
  assert.match(printed, /password: "?\[redacted\]"?/)
  assert.match(printed, /Authorization/)
})

test('no message repeats a secret', () => {
  const text = `version: 0.1
storage: inmemory
http: {secret: [sesame], host: "ftp://u:sesame@h"}
proxy: {remoteurl: "sesame@h", password: {a: sesame}, insecure: "https://u:sesame@h"}
`
  assert.throws(
    () => load(text),
    (error) => error instanceof Error && error.message.split('\n').length === 5 && !error.message.includes('sesame'),
  )
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { greeting } from '../../src/cli/greeting.ts'
import { loadConfig } from '../../src/config/load.ts'

/** The lines that say what is mirrored. */
function mirrored(proxy: object | undefined): string[] {
  const document = { version: 0.1, storage: { inmemory: {} }, ...(proxy === undefined ? {} : { proxy }) }
  const { config } = loadConfig({ text: JSON.stringify(document), file: 'c.yml', env: {} })
  const lines = greeting(config, '127.0.0.1:5000').split('\n')
  const kept = lines.findIndex((line) => line.startsWith('  keeps'))
  return lines.slice(1, kept)
}

const hub = 'https://registry-1.docker.io'

test('a registry of its own mirrors nothing', () => {
  assert.deepEqual(mirrored(undefined), ['  mirrors   nothing: a registry of its own'])
})

test('a mirror names its upstream, without what may be secret', () => {
  assert.deepEqual(mirrored({ remoteurl: 'https://u:sesame@h.example.com/' }), ['  mirrors   https://h.example.com'])
})

test('every upstream has its line, and mirrors of it come first', () => {
  const upstreams = {
    'ghcr.io': {},
    'reg.corp:5000': { remoteurl: 'http://10.0.0.1:5000', mirrors: ['https://u:sesame@m.corp'] },
    '*': { allow: ['*.example.com', 'a.b'] },
  }
  assert.deepEqual(mirrored({ remoteurl: hub, mirrors: ['https://m1.corp', 'https://m2.corp'], upstreams }), [
    '  mirrors   https://m1.corp, https://m2.corp, then https://registry-1.docker.io',
    '            ghcr.io, from https://ghcr.io',
    '            reg.corp:5000, from https://m.corp, then http://10.0.0.1:5000',
    '            *.example.com, a.b, on demand',
  ])
})

test('that it is offline is said', () => {
  assert.deepEqual(mirrored({ remoteurl: hub, offline: true }), [
    `  mirrors   ${hub}`,
    '  offline   what is kept is served, and nobody is asked (proxy.offline)',
  ])
})

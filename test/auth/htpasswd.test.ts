import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { needsPackages } from '../support/packages.ts'
import { startRegistry } from '../support/registry.ts'
import { TestClock } from '../support/clock.ts'
import { addUser, basic, startGuarded, statusOf } from './serving-htpasswd.ts'

const required = await needsPackages('auth/htpasswd', ['apache2-utils'])
const unknownManifest = '/v2/team/app/manifests/1'

describe('htpasswd', required, () => {
  it('lets in who is in the file, with distribution’s challenge for the others', async () => {
    await using registry = await startGuarded({ alice: 'wonder', bob: 'with:colon' })
    const refused = await fetch(`${registry.url}/v2/`)
    assert.deepEqual([refused.status, refused.headers.get('www-authenticate')], [401, 'Basic realm="test"'])
    assert.equal(await statusOf(registry, '/v2/', basic('alice', 'wonder')), 200)
    assert.equal(await statusOf(registry, unknownManifest, basic('bob', 'with:colon')), 404)
    assert.equal(await statusOf(registry, unknownManifest, basic('alice', 'wrong')), 401)
    assert.equal(await statusOf(registry, unknownManifest, basic('nobody', 'wonder')), 401)
    assert.equal(await statusOf(registry, unknownManifest, 'Bearer abc'), 401)
  })

  it('takes every spelling of bcrypt, and UTF-8', async () => {
    await using registry = await startGuarded({ alice: 'wonder', jürgen: 'größe' })
    const text = await readFile(registry.file, 'utf8')
    const hash = /^alice:\$2y\$(.*)$/m.exec(text)?.[1] ?? ''
    await writeFile(registry.file, `# users\n\n${text}a:$2a$${hash}\r\nb:$2b$${hash}\n`)
    await using again = await startRegistry({ config: { auth: { htpasswd: { realm: 'test', path: registry.file } } } })
    for (const user of ['alice', 'a', 'b']) assert.equal(await statusOf(again, '/v2/', basic(user, 'wonder')), 200, user)
    assert.equal(await statusOf(again, '/v2/', basic('jürgen', 'größe')), 200)
  })

  it('never accepts other hashes, and names who has them', async () => {
    await using registry = await startGuarded({ alice: 'wonder' })
    for (const [user, flag] of [
      ['apr', '-m'],
      ['sha', '-s'],
      ['crypt', '-d'],
      ['plain', '-p'],
      ['long', '-5'],
    ] as const) {
      await addUser(registry.file, user, 'wonder', flag)
    }
    await using again = await startRegistry({ config: { auth: { htpasswd: { realm: 'test', path: registry.file } } } })
    for (const user of ['apr', 'sha', 'crypt', 'plain', 'long']) {
      assert.equal(await statusOf(again, '/v2/', basic(user, 'wonder')), 401, user)
      assert.ok(
        again.log.some((line) => line.includes('level=warn') && line.includes(`user=${user}`)),
        user,
      )
    }
    assert.equal(await statusOf(again, '/v2/', basic('alice', 'wonder')), 200)
  })

  it('a missing file is made, with a password that the log tells', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'entrepot-auth-'))
    const path = join(folder, 'new', 'htpasswd')
    {
      await using registry = await startRegistry({ config: { auth: { htpasswd: { realm: 'test', path } } } })
      const password = /initialPassword=([\w-]+)/.exec(registry.log.join(''))?.[1] ?? ''
      assert.match(password, /^[\w-]{43}$/)
      assert.equal((await stat(path)).mode & 0o777, 0o600)
      assert.equal(await statusOf(registry, '/v2/', basic('docker', password)), 200)
    }
    await rm(folder, { recursive: true })
  })

  it('a file that cannot be used is told at the start, by its key', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'entrepot-auth-'))
    const path = join(folder, 'htpasswd')
    await writeFile(path, 'no colon here\n')
    await assert.rejects(startRegistry({ folder, config: { auth: { htpasswd: { realm: 'test', path } } } }), /auth\.htpasswd\.path: line 1/)
    await rm(folder, { recursive: true })
  })
})

describe('a htpasswd file that changes', required, () => {
  it('counts within a second, for users who come, change and go', async () => {
    const clock = new TestClock()
    await using registry = await startGuarded({ alice: 'wonder' }, { clock })
    assert.equal(await statusOf(registry, '/v2/', basic('alice', 'wonder')), 200)
    await addUser(registry.file, 'alice', 'other')
    await addUser(registry.file, 'bob', 'builder')
    clock.advance(1000)
    assert.equal(await statusOf(registry, '/v2/', basic('alice', 'wonder')), 401)
    assert.equal(await statusOf(registry, '/v2/', basic('alice', 'other')), 200)
    assert.equal(await statusOf(registry, '/v2/', basic('bob', 'builder')), 200)
  })

  it('broken, half-written, emptied or gone, the old one stays in force', async () => {
    const clock = new TestClock()
    await using registry = await startGuarded({ alice: 'wonder' }, { clock })
    const text = await readFile(registry.file, 'utf8')
    for (const broken of ['', 'alice\n', text.slice(0, 30), undefined]) {
      if (broken === undefined) await rm(registry.file)
      else await writeFile(registry.file, broken)
      clock.advance(1000)
      assert.equal(await statusOf(registry, '/v2/', basic('alice', 'wonder')), 200, broken)
    }
    await writeFile(registry.file, '')
    clock.advance(1000)
    assert.equal(await statusOf(registry, '/v2/', basic('alice', 'wonder')), 200, 'it may be about to be written')
    clock.advance(1000)
    assert.equal(await statusOf(registry, '/v2/', basic('alice', 'wonder')), 401)
  })
})

describe('guessing passwords', required, () => {
  const via = (address: string) => ({ headers: { 'x-forwarded-for': address } })

  it('is damped for its address, and for no other', async () => {
    const clock = new TestClock()
    await using registry = await startGuarded({ alice: 'wonder' }, { clock })
    const guess = (at: number, address: string) => statusOf(registry, '/v2/', basic('alice', `guess-${at}`), via(address))
    const statuses: number[] = []
    for (let at = 0; at < 25; at += 1) statuses.push(await guess(at, '198.51.100.1'))
    assert.deepEqual([...new Set(statuses)], [401, 429])
    assert.equal(statuses.indexOf(429), 20)
    const damped = await fetch(`${registry.url}/v2/`, {
      headers: { 'x-forwarded-for': '203.0.113.7, 198.51.100.1', authorization: basic('alice', 'wonder') },
    })
    assert.deepEqual([damped.status, damped.headers.get('retry-after')], [429, '3'], 'a right guess is not told from a wrong one')
    assert.equal(await statusOf(registry, '/v2/', basic('alice', 'wonder'), via('198.51.100.2')), 200)
    assert.equal(await statusOf(registry, '/v2/', undefined, via('198.51.100.1')), 401, 'who guesses nothing is not damped')
    clock.advance(3000)
    assert.equal(await statusOf(registry, '/v2/', basic('alice', 'wonder'), via('198.51.100.1')), 200)
  })

  it('is not what a client does that repeats an old password', async () => {
    await using registry = await startGuarded({ alice: 'wonder' })
    for (let at = 0; at < 60; at += 1) assert.equal(await statusOf(registry, '/v2/', basic('alice', 'old')), 401)
    assert.equal(await statusOf(registry, '/v2/', basic('alice', 'wonder')), 200)
  })
})

describe('hostile Basic credentials', required, () => {
  it('are refused, and hurt nobody', async () => {
    await using registry = await startGuarded({ alice: 'wonder' })
    const encoded = (bytes: string | Buffer) => `Basic ${Buffer.from(bytes).toString('base64')}`
    for (const authorization of [
      'Basic',
      'Basic ',
      'Basic =',
      'Basic !!!!',
      'Basic YWxpY2U6d29uZGVy extra',
      encoded('alice'),
      encoded(':'),
      encoded(''),
      encoded('alice:wonder\0'),
      encoded('alice\0:wonder'),
      encoded('alice:won\nder'),
      encoded(Buffer.from([0xff, 0x3a, 0xff])),
      encoded(`${'a'.repeat(10_000)}:wonder`),
      encoded(`alice:${'w'.repeat(20_000)}`),
      encoded('__proto__:wonder'),
      encoded('constructor:wonder'),
    ]) {
      assert.equal(await statusOf(registry, '/v2/', authorization), 401, authorization.slice(0, 60))
    }
    assert.equal(await statusOf(registry, '/v2/', encoded(`alice:wonder`).replace('Basic', 'bAsIc')), 200)
    assert.equal(await statusOf(registry, '/v2/', `Basic ${'A'.repeat(40_000)}`), 431)
    assert.deepEqual(
      registry.log.filter((line) => line.includes('level=error')),
      [],
    )
  })
})

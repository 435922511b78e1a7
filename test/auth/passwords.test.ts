import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Credentials } from '../../src/auth/access.ts'
import { BcryptThread } from '../../src/auth/bcrypt-thread.ts'
import { parseHtpasswd, type PasswordFile } from '../../src/auth/htpasswd-file.ts'
import { Passwords, type PasswordVerdict } from '../../src/auth/passwords.ts'
import { TestClock } from '../support/clock.ts'
import { basic } from './serving-htpasswd.ts'

const rest = 'a'.repeat(53)
const hash = `$2y$07$${rest}`

/** Passwords behind a thread that the test answers for. */
function passwordsOf(text = `alice:${hash}\n`) {
  const compared: { password: string; hash: string; answer: (isRight: boolean) => void; fail: (error: Error) => void }[] = []
  const file: { content: PasswordFile } = { content: parseHtpasswd(text) }
  const thread = {
    isFull: false,
    compare: (password: string, its: string) =>
      new Promise<boolean>((answer, fail) => void compared.push({ password, hash: its, answer, fail })),
  }
  const clock = new TestClock()
  return { passwords: new Passwords({ file, thread, clock }), compared, file, thread, clock }
}

function credentials(user: string, password: string, address = '192.0.2.1'): Credentials {
  return { authorization: basic(user, password), address, origin: '', base: '', isSecure: false, forwardedScheme: undefined }
}

function retryAfter(verdict: PasswordVerdict | Promise<PasswordVerdict>): number | undefined {
  return verdict instanceof Promise || verdict.kind !== 'damped' ? undefined : verdict.retryAfterSeconds
}

describe('comparing passwords', () => {
  it('takes the same steps for users that there are not, with a hash of the same cost', async () => {
    const { passwords, compared } = passwordsOf()
    const known = passwords.check(credentials('alice', 'x'))
    const unknown = passwords.check(credentials('mallory', 'x'))
    assert.deepEqual(
      compared.map((each) => each.hash.slice(0, 7)),
      ['$2y$07$', '$2y$07$'],
    )
    for (const { answer } of compared) answer(true)
    assert.equal((await known).kind, 'right')
    assert.equal((await unknown).kind, 'wrong', 'whatever the thread says')
  })

  it('happens once for all who send the same at once, and then not for a while', async () => {
    const { passwords, compared, clock } = passwordsOf()
    const asked = Array.from({ length: 50 }, () => passwords.check(credentials('alice', 'x')))
    assert.equal(compared.length, 1)
    compared[0]?.answer(true)
    for (const verdict of asked) assert.equal((await verdict).kind, 'right')
    assert.ok(!(passwords.check(credentials('alice', 'x')) instanceof Promise), 'what is known is not waited for')
    clock.advance(300_000)
    assert.ok(passwords.check(credentials('alice', 'x')) instanceof Promise)
  })

  it('of a file that has changed in the meantime is not remembered', async () => {
    const { passwords, compared, file } = passwordsOf()
    const asked = passwords.check(credentials('alice', 'x'))
    file.content = parseHtpasswd('')
    passwords.check(credentials('bob', 'y'))
    compared[0]?.answer(true)
    await asked
    assert.ok(passwords.check(credentials('alice', 'x')) instanceof Promise)
  })

  it('is bounded, for one address and for all', () => {
    const { passwords, compared, thread } = passwordsOf()
    for (let at = 0; at < 32; at += 1) passwords.check(credentials('alice', `guess-${at}`))
    assert.equal(retryAfter(passwords.check(credentials('alice', 'one more'))), 1)
    assert.equal(compared.length, 32)
    assert.ok(passwords.check(credentials('alice', 'one more', '192.0.2.2')) instanceof Promise, 'another address')
    thread.isFull = true
    assert.equal(retryAfter(passwords.check(credentials('alice', 'x', '192.0.2.3'))), 1)
  })

  it('that fails is an error, and the next try is a new one', async () => {
    const { passwords, compared } = passwordsOf()
    const asked = passwords.check(credentials('alice', 'x'))
    compared[0]?.fail(new Error('the thread is gone'))
    await assert.rejects(async () => asked, /the thread is gone/)
    const again = passwords.check(credentials('alice', 'x'))
    compared[1]?.answer(true)
    assert.equal((await again).kind, 'right')
  })
})

describe('the thread', () => {
  it('rejects what waits when it ends, and starts anew', async () => {
    await using thread = new BcryptThread()
    const slow = thread.compare('x', `$2y$16$${rest}`)
    await Promise.all([thread[Symbol.asyncDispose](), assert.rejects(slow, /has ended/)])
    assert.equal(await thread.compare('x', `$2y$04$${rest}`), false)
  })

  it('takes as long for nobody’s hash as for another one', async () => {
    await using thread = new BcryptThread()
    const { nobody } = parseHtpasswd(`alice:$2y$09$${rest}\n`)
    const timeOf = async (its: string) => {
      const startedAt = performance.now()
      await thread.compare('x', its)
      return performance.now() - startedAt
    }
    await timeOf(nobody)
    const times = { nobody: [] as number[], alice: [] as number[] }
    for (let at = 0; at < 7; at += 1) {
      times.nobody.push(await timeOf(nobody))
      times.alice.push(await timeOf(`$2y$09$${rest}`))
    }
    // The quickest of each: what a busy machine adds is no part of it. A hash that is given up early takes a hundredth.
    const ratio = Math.min(...times.nobody) / Math.min(...times.alice)
    assert.ok(ratio > 0.3 && ratio < 3, String(ratio))
  })
})

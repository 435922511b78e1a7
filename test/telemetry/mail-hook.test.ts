// Lines of the log as mail: to a server that takes them, and to one that says nothing.
import assert from 'node:assert/strict'
import { hostname } from 'node:os'
import { test } from 'node:test'
import { createLog } from '../../src/telemetry/log.ts'
import { MailHook } from '../../src/telemetry/mail-hook.ts'
import { TestClock } from '../support/clock.ts'
import { until } from '../support/until.ts'
import { type MailServer, startMailServer } from './mail-server.ts'

function loggedTo({ addr }: MailServer, levels: readonly string[]) {
  const clock = new TestClock()
  const failures: unknown[] = []
  const hook = new MailHook({
    levels,
    smtp: { addr, username: 'mailuser', password: 'password', insecure: true },
    from: 'sender@example.com',
    to: ['errors@example.com', 'more@example.com'],
    clock,
    onFailure: (error) => failures.push(error),
  })
  const lines: string[] = []
  const destination = { write: (line: string) => lines.push(line) }
  return {
    log: createLog({ level: 'info', formatter: 'text', fields: { service: 'registry' }, destination, hooks: [hook] }),
    clock,
    hook,
    failures,
    lines,
  }
}

test('lines of the levels are mailed as distribution mails them, others are not', async () => {
  await using server = await startMailServer()
  const { log, failures } = loggedTo(server, ['error', 'panic'])
  log.info({}, 'not this')
  log.warn({}, 'nor this')
  log.error({ error: new Error('Bearer abcdefghij was refused') }, 'something\nbroke')
  await until('it has come', () => server.mails.length === 1 || failures.length > 0)
  assert.deepEqual(failures, [])
  const [mail] = server.mails
  assert.deepEqual(
    [mail?.from, mail?.to, mail?.login],
    ['sender@example.com', ['errors@example.com', 'more@example.com'], '\0mailuser\0password'],
  )
  assert.ok(mail?.text.replace(/\n /g, ' ').includes(`Subject: [error] ${hostname()}: something broke\n`), mail?.text)
  assert.match(mail?.text ?? '', /service=3Dregistry|service=registry/)
  assert.doesNotMatch(mail?.text ?? '', /not this|nor this|abcdefghij/)
})

test('a storm of lines is one mail now and one a minute later', async () => {
  await using server = await startMailServer()
  const { log, clock } = loggedTo(server, ['error'])
  for (let at = 0; at < 150; at += 1) log.error({}, `line ${at}`)
  await clock.sleeping(60_000)
  assert.equal(server.mails.length, 1)
  log.error({}, 'meanwhile')
  clock.advance(60_000)
  await until('the second has come', () => server.mails.length === 2)
  assert.match(server.mails[1]?.text ?? '', /line 1\b/)
  assert.match(server.mails[1]?.text ?? '', /more lines/)
})

test('a mail server that says nothing holds nobody up, and what waits goes out at the end', async () => {
  await using server = await startMailServer()
  server.isMute = true
  const { log, hook, lines } = loggedTo(server, ['error', 'fatal'])
  log.error({}, 'one')
  log.fatal({}, 'two')
  assert.equal(lines.length, 2)
  await using healthy = await startMailServer()
  const other = loggedTo(healthy, ['warning'])
  other.log.warn({}, 'three')
  await other.hook.flush()
  assert.equal(healthy.mails.length, 1)
  assert.ok(hook)
})

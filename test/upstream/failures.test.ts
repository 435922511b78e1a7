// What statuses and exceptions of upstream mean, case by case.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UpstreamFailure } from '../../src/content.ts'
import { failureOfError, failureOfStatus, parseRetryAfter, printableUrl } from '../../src/upstream/failures.ts'

const now = Date.parse('2026-01-01T00:00:00Z')

describe('a status that is no answer to the question', () => {
  const cases: readonly [number, string | undefined, string, number | undefined][] = [
    [401, undefined, 'denied', undefined],
    [403, undefined, 'denied', undefined],
    [429, '30', 'rate-limited', 30],
    [429, undefined, 'rate-limited', undefined],
    [500, undefined, 'unavailable', undefined],
    [503, '7', 'unavailable', 7],
    [400, undefined, 'broken', undefined],
    [204, undefined, 'broken', undefined],
    [304, undefined, 'broken', undefined],
  ]
  for (const [status, retryAfter, kind, seconds] of cases) {
    it(`${status} is ${kind}`, () => {
      const failure = failureOfStatus(status, retryAfter, 'GET x', now)
      assert.deepEqual([failure.kind, failure.status, failure.retryAfterSeconds], [kind, status, seconds])
    })
  }
})

describe('Retry-After', () => {
  const cases: readonly [string, string | undefined, number | undefined][] = [
    ['seconds', '120', 120],
    ['an HTTP date', 'Thu, 01 Jan 2026 00:01:30 GMT', 90],
    ['a date that is over', 'Thu, 01 Jan 2025 00:00:00 GMT', 0],
    ['nothing', undefined, undefined],
    ['words', 'later', undefined],
    ['a negative number', '-5', undefined],
    ['a fraction', '1.5', undefined],
    ['a day that does not exist', 'Thu, 99 Foo 2026 00:00:00 GMT', undefined],
  ]
  for (const [name, header, seconds] of cases) {
    it(`${name}: ${seconds ?? 'not known'}`, () => assert.equal(parseRetryAfter(header, now), seconds))
  }
})

describe('an exception of the HTTP client', () => {
  const errorWith = (code: string, name = 'Error') => Object.assign(new Error('words of the client'), { code, name })
  const cases: readonly [string, string][] = [
    ['ECONNREFUSED', 'unreachable'],
    ['ENOTFOUND', 'unreachable'],
    ['ECONNRESET', 'unreachable'],
    ['UND_ERR_SOCKET', 'unreachable'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'unreachable'],
    ['UND_ERR_CONNECT_TIMEOUT', 'timeout'],
    ['UND_ERR_HEADERS_TIMEOUT', 'timeout'],
    ['UND_ERR_BODY_TIMEOUT', 'timeout'],
    ['HPE_INVALID_HEADER_TOKEN', 'broken'],
    ['HPE_CR_EXPECTED', 'broken'],
    ['UND_ERR_HEADERS_OVERFLOW', 'broken'],
  ]
  for (const [code, kind] of cases) {
    it(`${code} is ${kind}`, () => assert.equal(failureOfError(errorWith(code), 'GET x').kind, kind))
  }

  it('what is not HTTP asks for a pause, for it may be an abuse filter', () => {
    assert.equal(failureOfError(errorWith('HPE_INVALID_VERSION'), 'GET x').retryAfterSeconds, 60)
  })

  it('says what was attempted and keeps its cause', () => {
    const error = errorWith('ECONNREFUSED')
    const failure = failureOfError(error, 'GET http://hub.test/v2/')
    assert.match(failure.message, /^GET http:\/\/hub\.test\/v2\//)
    assert.equal(failure.cause, error)
  })

  it('a failure that is one already stays as it is', () => {
    const failure = new UpstreamFailure('denied', 'no')
    assert.equal(failureOfError(failure, 'GET x'), failure)
  })
})

it('a printed URL has neither userinfo nor query', () => {
  assert.equal(printableUrl(new URL('https://user:secret@cdn.test:8443/a/b?verify=secret#part')), 'https://cdn.test:8443/a/b')
})

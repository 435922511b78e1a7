import assert from 'node:assert/strict'
import { it } from 'node:test'
import { parseSchedulerState } from '../../src/mirror/scheduler-state.ts'
import { digestOf } from '../../src/oci/digest.ts'

const digest = digestOf(Buffer.from('x'))
const entry = (key: string, ExpiryData: unknown) => ({ [key]: { Key: key, ExpiryData, EntryType: 0 } })

it("reads distribution's entries, and leaves out what makes no sense", () => {
  const state = {
    ...entry(`library/nginx@${digest}`, '2026-11-28T01:38:26.123456789Z'),
    ...entry(`localhost/a@${digest}`, '2026-11-28T01:38:26+01:00'),
    ...entry('library/nginx@sha256:short', '2026-11-28T01:38:26Z'),
    ...entry(`../x@${digest}`, '2026-11-28T01:38:26Z'),
    ...entry(`library/late@${digest}`, 'soon'),
    [`library/odd@${digest}`]: null,
  }
  assert.deepEqual(parseSchedulerState(JSON.stringify(state)), [
    { repository: 'library/nginx', digest, expiresAt: Date.UTC(2026, 10, 28, 1, 38, 26, 123) },
    { repository: 'localhost/a', digest, expiresAt: Date.UTC(2026, 10, 28, 0, 38, 26) },
  ])
})

it('throws for what is no JSON object', () => {
  for (const text of ['', '[]', 'null', '{']) assert.throws(() => parseSchedulerState(text), SyntaxError, text)
})

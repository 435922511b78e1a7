// The log's lines about an upstream: one when trouble begins, one when it is over.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UpstreamFailure } from '../../src/content.ts'
import { Outages } from '../../src/mirror/outages.ts'
import { TestClock } from '../support/clock.ts'

const failure = new UpstreamFailure('timeout', 'no answer')

function setUp() {
  const clock = new TestClock()
  const lines: { readonly level: string; readonly fields: object }[] = []
  const note = (level: string) => (fields: object) => void lines.push({ level, fields })
  const outages = new Outages(clock, { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') })
  const levels = () => lines.map(({ level }) => level)
  return { clock, outages, lines, levels }
}

test('an outage is told of once, however many questions fail', () => {
  const { outages, levels, lines } = setUp()
  for (let n = 0; n < 100; n += 1) {
    outages.failed('hub', failure)
    outages.stoodIn('hub')
  }
  assert.deepEqual(levels(), ['warn'])
  assert.deepEqual(lines[0]?.fields, { upstream: 'hub', kind: 'timeout', error: failure })
})

test('its end is told of once, with how long it was and what stood in', () => {
  const { clock, outages, levels, lines } = setUp()
  outages.stoodIn('hub')
  outages.failed('hub', failure)
  for (let n = 0; n < 7; n += 1) outages.stoodIn('hub')
  clock.advance(90_000)
  for (let n = 0; n < 3; n += 1) outages.worked('hub')
  assert.deepEqual(levels(), ['warn', 'info'])
  assert.deepEqual(lines[1]?.fields, { upstream: 'hub', seconds: 90, staleAnswers: 7 })
})

test('an upstream that works is not told of', () => {
  const { outages, levels } = setUp()
  outages.worked('hub')
  outages.stoodIn('hub')
  assert.deepEqual(levels(), [])
})

test('each upstream has its own', () => {
  const { outages, lines } = setUp()
  outages.failed('hub', failure)
  outages.failed('quay', failure)
  outages.worked('quay')
  assert.deepEqual(
    lines.map(({ fields }) => ('upstream' in fields ? fields.upstream : undefined)),
    ['hub', 'quay', 'quay'],
  )
})

test('an upstream that fails every other time fills no log', () => {
  const { outages, levels } = setUp()
  for (let n = 0; n < 100; n += 1) {
    outages.failed('hub', failure)
    outages.worked('hub')
  }
  assert.deepEqual(levels(), ['warn', 'info'])
})

test('an outage that begins soon after another is told of when it goes on', () => {
  const { clock, outages, levels } = setUp()
  outages.failed('hub', failure)
  outages.worked('hub')
  clock.advance(59_999)
  outages.failed('hub', failure)
  assert.deepEqual(levels(), ['warn', 'info'])
  clock.advance(1)
  outages.failed('hub', failure)
  outages.worked('hub')
  assert.deepEqual(levels(), ['warn', 'info', 'warn', 'info'])
})

// Go's durations and the sizes: read, refused, and printed so that they can be read again.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { formatBytes, formatSizeLimit, parseBytes, parseSizeLimit } from '../../src/config/byte-size.ts'
import { formatDuration, parseDuration } from '../../src/config/duration.ts'

test('durations are read as Go reads them', () => {
  const cases: readonly [string, number][] = [
    ['1h30m', 5_400_000],
    ['500ms', 500],
    ['1.5h', 5_400_000],
    ['-1s', -1000],
    ['+2m', 120_000],
    ['0', 0],
    ['1000000', 1],
    ['10', 0.00001],
    ['250µs', 0.25],
    ['250us', 0.25],
    ['.5s', 500],
    ['168h', 604_800_000],
  ]
  for (const [text, milliseconds] of cases) assert.equal(parseDuration(text), milliseconds, text)
})

test('what Go refuses is refused, with a hint where there is one', () => {
  for (const text of ['', 's', '5 s', '1h 30m', '1x', '--1s', '1s-', '3000000h', 'abc']) {
    assert.throws(() => parseDuration(text), RangeError, text)
  }
  assert.throws(() => parseDuration('7d'), /write 168h/)
})

test('a printed duration is the one that was read', () => {
  for (const text of ['0s', '1h30m', '500ms', '168h', '-1s', '1m30s', '1.5s', '10ns', '250000ns', '2h0.5s']) {
    assert.equal(parseDuration(formatDuration(parseDuration(text))), parseDuration(text), text)
  }
  assert.equal(formatDuration(5_400_000), '1h30m')
  assert.equal(formatDuration(1500), '1.5s')
})

test('sizes are decimal or binary by their unit', () => {
  const cases: readonly [string, number][] = [
    ['20MB', 20_000_000],
    ['200GiB', 214_748_364_800],
    ['1.5k', 1500],
    ['10Mi', 10_485_760],
    ['512', 512],
    ['512B', 512],
    ['2 tib', 2_199_023_255_552],
  ]
  for (const [text, bytes] of cases) {
    assert.equal(parseBytes(text), bytes, text)
    assert.equal(parseBytes(formatBytes(bytes)), bytes, text)
  }
  for (const text of ['', 'MB', '-1MB', '1 elephant', '1e9', '80%', '99999999999PB'])
    assert.throws(() => parseBytes(text), RangeError, text)
})

test('a limit is a size or a share of the disk', () => {
  assert.deepEqual(parseSizeLimit('80%'), { percent: 80 })
  assert.deepEqual(parseSizeLimit('20MB'), { bytes: 20_000_000 })
  assert.equal(formatSizeLimit({ percent: 80 }), '80%')
  for (const text of ['0%', '101%', '%', '-5%']) assert.throws(() => parseSizeLimit(text), RangeError, text)
})

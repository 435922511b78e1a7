// Lines of the application's log: forms, secrets, forgeries; and what they say of a request.
import assert from 'node:assert/strict'
import { describe, it, test } from 'node:test'
import { createLog } from '../../src/telemetry/log.ts'
import { redactLine, redactTarget } from '../../src/telemetry/redact.ts'
import { startScene } from '../scenarios/scene.ts'
import { ociImage } from '../support/images.ts'
import { startRegistry } from '../support/registry.ts'
import { until } from '../support/until.ts'

function lineOf(formatter: 'text' | 'json' | 'logstash', fields: object, message: string): string {
  let text = ''
  const log = createLog({ level: 'info', formatter, fields: { service: 'r' }, destination: { write: (line) => (text += line) } })
  log.info(fields, message)
  return text
}

describe('what is secret is not in the log', () => {
  const cases: readonly [string, string][] = [
    ['GET https://cdn.example/blob?X-Amz-Signature=abc&Expires=1: reset', 'GET https://cdn.example/blob?[redacted]: reset'],
    ['at https://user:pw@host/path', 'at https://[redacted]@host/path'],
    ['header Authorization: Bearer eyJhbGciOi.abc-_', 'header Authorization: Bearer [redacted]'],
    ['Basic dXNlcjpwYXNz refused', 'Basic [redacted] refused'],
    ['path /v2/a/blobs/uploads/1?_state=secret&digest=sha256:1', 'path /v2/a/blobs/uploads/1?_state=[redacted]&digest=sha256:1'],
    ['nothing to hide at https://host/path', 'nothing to hide at https://host/path'],
  ]
  for (const [line, expected] of cases) it(expected, () => assert.equal(redactLine(line), expected))

  it('in fields and causes of errors, in every form', () => {
    const error = new Error('asking', { cause: new Error('https://c/x?sig=hidden1 Bearer hidden22') })
    for (const formatter of ['text', 'json', 'logstash'] as const) {
      const line = lineOf(formatter, { error, password: 'hidden333', nested: { token: 'hid"den4' } }, 'https://u:hidden5@h/')
      assert.doesNotMatch(line, /hid/)
      assert.match(line, /redacted/)
      if (formatter !== 'text') assert.ok(JSON.parse(line))
    }
  })

  it('nor in the access log', () => assert.equal(redactTarget('/v2/a?_state=x&n=1'), '/v2/a?_state=[redacted]&n=1'))
})

describe('forms', () => {
  it('text is as logrus writes it, and no value ends the line', () => {
    const line = lineOf('text', { evil: 'a\nlevel=error msg="x"\x1b[2J\x9b2J\u2028' }, 'he said "no"')
    assert.match(
      line,
      /^time=\S+ level=info msg="he said \\"no\\"" service=r evil="a\\nlevel=error msg=\\"x\\"\\u001b\[2J\\u009b2J\\u2028"\n$/,
    )
  })

  it('json and logstash are one object a line', () => {
    const json = JSON.parse(lineOf('json', { a: 1 }, 'it')) as Record<string, unknown>
    assert.deepEqual([json['level'], json['msg'], json['service'], json['a']], ['info', 'it', 'r', 1])
    const logstash = JSON.parse(lineOf('logstash', { a: 1 }, 'it\n')) as Record<string, unknown>
    assert.deepEqual([logstash['@version'], logstash['message'], typeof logstash['@timestamp']], ['1', 'it\n', 'string'])
  })
})

test('lines of a request say which, of what, from where and how long upstream took', async () => {
  await using scene = await startScene()
  const image = ociImage({ seed: 1 })
  scene.hub.add('some', image, { tags: ['1'] })
  const cold = await scene.manifest('library/some', '1', { headers: { 'x-request-id': 'mine' } })
  assert.match(cold.headers['server-timing'] ?? '', /^upstream;dur=\d+\.\d$/)
  const answered = () => scene.registry.log.find((line) => line.includes('msg=answered') && line.includes('request=mine'))
  await until('its line is there', () => answered() !== undefined)
  const parts = [/level=info/, /repository=library\/some/, /reference="?1"?/, /verdict=miss/, /upstreamMs=\d+/, /status=200/, /bytes=\d+/]
  for (const part of [...parts, new RegExp(`digest=${image.manifest.digest}`)]) assert.match(answered() ?? '', part)
  await scene.hub.down()
  assert.equal((await scene.manifest('library/other', '1', { headers: { 'x-request-id': 'bad' } })).status, 502)
  const failed = () => scene.registry.log.find((line) => line.includes('upstream failed a request'))
  await until('the failure is there', () => failed() !== undefined)
  assert.match(failed() ?? '', /level=warn .*request=bad .*repository=library\/other reference="?1"?/)
})

test('an upload shows no signature in the access log', async () => {
  await using registry = await startRegistry()
  const begun = await fetch(`${registry.url}/v2/a/blobs/uploads/`, { method: 'POST' })
  const place = new URL(begun.headers.get('location') ?? '', registry.url)
  await fetch(place)
  await until('it is logged', () => registry.accessLog.join('').includes('_state='))
  assert.match(registry.accessLog.join(''), /GET \/v2\/a\/blobs\/uploads\/\S+\?_state=\[redacted\] HTTP/)
})

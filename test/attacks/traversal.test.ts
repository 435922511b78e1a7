// Ways out of the folder, in every encoding, wherever a client can write something that becomes part of a path or of a question upstream.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { type Answer, raw, statusLineOf } from '../http/serving.ts'
import { escapes, own, startVictim, type Victim } from './victim.ts'

const digest = own.manifest.digest
const id = randomUUID()

/** Where the escape stands. `[escape]` is put in as it is, `[query]` as a value of a query. */
const places: Readonly<Record<string, readonly string[]>> = {
  'a whole path': ['GET /[escape]', 'GET /v2/[escape]', 'GET /v2/../[escape]', 'PUT /[escape]', 'GET /v1/[escape]'],
  'a name': [
    ...['GET', 'HEAD', 'PUT', 'DELETE'].map((method) => `${method} /v2/[escape]/manifests/1`),
    'GET /v2/team/[escape]/manifests/1',
    'GET /v2/[escape]/team/app/manifests/1',
    'GET /v2/library/[escape]/manifests/1',
    `GET /v2/team/[escape]/blobs/${digest}`,
    'GET /v2/team/[escape]/tags/list',
    `GET /v2/team/[escape]/referrers/${digest}`,
    'POST /v2/team/[escape]/blobs/uploads/',
    `PATCH /v2/team/[escape]/blobs/uploads/${id}`,
  ],
  'a reference': ['GET', 'HEAD', 'PUT', 'DELETE'].flatMap((method) =>
    ['team/app', 'library/app'].map((name) => `${method} /v2/${name}/manifests/[escape]`),
  ),
  'a digest': [
    'GET /v2/team/app/blobs/[escape]',
    'GET /v2/library/app/blobs/sha256:[escape]',
    `GET /v2/team/app/blobs/${digest}[escape]`,
    'GET /v2/team/app/blobs/sha256:aa%2f[escape]',
    'GET /v2/team/app/blobs/[escape]:aaaa',
    'DELETE /v2/team/app/blobs/[escape]',
    'GET /v2/team/app/referrers/[escape]',
    `GET /v2/team/app/referrers/${digest}?artifactType=[query]`,
    'POST /v2/team/app/blobs/uploads/?digest=[query]',
    'POST /v2/team/app/blobs/uploads/?digest-algorithm=[query]',
  ],
  'the id of an upload': ['GET', 'HEAD', 'PATCH', 'PUT', 'DELETE'].flatMap((method) => [
    `${method} /v2/team/app/blobs/uploads/[escape]?digest=${digest}`,
    `${method} /v2/team/app/blobs/uploads/${id}%2f[escape]`,
  ]),
  last: ['GET /v2/team/app/tags/list?n=1&last=[query]', 'GET /v2/_catalog?n=1&last=[query]', 'GET /v2/library/app/tags/list?last=[query]'],
  'from and mount': [
    `POST /v2/team/app/blobs/uploads/?mount=${digest}&from=[query]`,
    'POST /v2/team/app/blobs/uploads/?mount=[query]&from=team/app',
    'POST /v2/team/app/blobs/uploads/?mount=sha256:[query]&from=[query]',
  ],
  ns: ['GET /v2/team/app/manifests/1?ns=[query]', 'GET /v2/app/manifests/1?ns=[query]', `GET /v2/app/blobs/${digest}?ns=[query]`],
  'a search': ['GET /v1/search?q=[query]'],
}

describe('ways out of the folder', () => {
  let victim: Victim
  before(async () => void (victim = await startVictim()))
  after(() => victim[Symbol.asyncDispose]())

  /** As they are: clients of Node's own would tidy the path up. */
  async function send(line: string): Promise<Answer> {
    const body = /^(?:PUT|PATCH)/.test(line) ? 'x' : ''
    const head = `${line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/octet-stream\r\nContent-Length: ${body.length}\r\n\r\n`
    const answer = await raw(victim.registry.port, Buffer.from(head + body, 'latin1'))
    const text = answer.bytes.toString('latin1')
    const status = Number(statusLineOf(answer).split(' ')[1])
    return { status, headers: { all: text.slice(0, text.indexOf('\r\n\r\n')) }, body: answer.bytes.subarray(text.indexOf('\r\n\r\n') + 4) }
  }

  async function attack(line: string, escape: string): Promise<void> {
    for (const query of line.includes('[query]') ? [escape, encodeURIComponent(escape)] : [escape]) {
      const asked = line.replaceAll('[escape]', escape).replaceAll('[query]', query)
      const answer = await send(asked)
      victim.assertSilent(asked, answer)
      // A tidy path with an odd query may have an answer, and so may `/` and `/v2/`, written in another way.
      const isInPath = line.includes('[escape]') && !/^GET \/(?:v2\/(?:\.\.\/)?)?\[escape\]$/.test(line)
      if (isInPath) assert.ok(answer.status >= 400, `${asked}: ${answer.status}`)
    }
  }

  for (const [place, lines] of Object.entries(places)) {
    it(`lead nowhere as ${place}`, async () => {
      for (const line of lines) await Promise.all(escapes.map((escape) => attack(line, escape)))
      await victim.assertUnharmed()
    })
  }
})

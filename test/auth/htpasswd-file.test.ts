import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseBasic } from '../../src/auth/basic.ts'
import { parseGroups, parseHtpasswd } from '../../src/auth/htpasswd-file.ts'
import { basic } from './serving-htpasswd.ts'

const hash = `$2y$05$${'a'.repeat(53)}`

describe('a htpasswd file', () => {
  it('has users, comments and blank lines, and the last line of a user counts', () => {
    const { hashes, unusable } = parseHtpasswd(`# x\n\nalice:{SHA}x\nalice:${hash}\r\nbob:${hash}\nbob:$apr1$x$y\n`)
    assert.deepEqual([...hashes], [['alice', hash]])
    assert.deepEqual([...unusable], [['bob', 'MD5']])
  })

  it('that is half-written is told as such', () => {
    assert.throws(() => parseHtpasswd(`alice:${hash}\nbob`), /line 2 is not user:hash/)
    assert.throws(() => parseHtpasswd(`alice:${hash.slice(0, 40)}`), /line 1: the bcrypt hash of alice is not whole/)
    assert.throws(() => parseHtpasswd(`:${hash}`), /line 1/)
  })
})

describe('a group file', () => {
  it('says who is in which groups', () => {
    const groups = parseGroups('# x\ndevs: alice  bob\nops:bob\nnobody:\n')
    assert.deepEqual(
      [...groups],
      [
        ['alice', ['devs']],
        ['bob', ['devs', 'ops']],
      ],
    )
    assert.throws(() => parseGroups('devs alice'), /line 1 is not group: user/)
  })
})

describe('Basic credentials', () => {
  it('end the name at the first colon', () => {
    assert.deepEqual(parseBasic(basic('alice', 'a:b')), { user: 'alice', password: 'a:b' })
    assert.deepEqual(parseBasic(basic('', '')), { user: '', password: '' })
    assert.equal(parseBasic('Basic YQ=='), undefined)
  })
})

// The attacks that the front door must bear, and where each is tested: what is named here has to be there.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'

/** The attack → files of test/, each with words of it. */
const attacks: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  'traversal in every encoding': {
    'attacks/traversal.test.ts': [
      'a whole path',
      'a name',
      'a reference',
      'a digest',
      'the id of an upload',
      'last',
      'from and mount',
      'ns',
    ],
    'http/hostile.test.ts': ['get 400 or 404 as a repository', 'get 400 or 404 as a reference or digest'],
  },
  'forged and replayed _state': {
    'attacks/tickets.test.ts': [
      'of an upload of another repository',
      'of another secret',
      'without its last byte',
      'replayed: bytes do not come twice',
    ],
    'http/upload-ticket.test.ts': ['does not open with another secret, nor after any change'],
  },
  'JWT confusion': {
    'auth/token-cases.ts': [
      'alg none',
      'HS256 by the public key',
      'ES256 said of an RSA key',
      'for another service',
      'of another issuer',
      'expired',
      'in the future',
      'an unknown key id',
      'a stranger’s key in the header',
      'a chain of a stranger',
      'duplicated claims',
      'a huge one',
    ],
    'attacks/tokens.test.ts': ['do not send us for their keys', 'do not choose files, keys or rules'],
    'differential/tokens.test.ts': ['every token is believed or refused alike'],
    'auth/bearer.test.ts': ['of weak keys', 'are not believed any more once they have expired'],
  },
  'tokens of this server itself': {
    'auth/anonymous.test.ts': ['tokens that are not ours are no tokens'],
    'auth/private.test.ts': ['a token hides its password'],
  },
  'a foreign realm': {
    'attacks/upstream.test.ts': ['names somebody else’s token server'],
    'upstream/realm-trust.test.ts': ['do not go'],
    'upstream/credentials.test.ts': ['are not carried on when the token server redirects to somebody else'],
  },
  'a redirect of upstream to loopback, link-local or a file': {
    'attacks/upstream.test.ts': ['and nobody goes there', 'redirects for ever'],
    'upstream/pure.test.ts': ['of a server elsewhere does not lead to', '169.254.169.254', 'file:///etc/passwd'],
  },
  'header injection': {
    'attacks/headers.test.ts': [
      'names, references, digests and queries do not become headers',
      'Location and Link do not follow',
      'a prefix',
      'two hosts',
    ],
    'http/urls.test.ts': ['does not follow one that is not'],
  },
  'odd values of http.headers and http.host': { 'config/http.test.ts': ['a line end in a value', 'http.host is an address'] },
  'log injection': {
    'attacks/headers.test.ts': ['every line of both logs is one that was meant'],
    'http/access-log.test.ts': ['can not be forged by what clients send', 'is not what a client wrote before that'],
    'attacks/upstream.test.ts': ['puts line ends, escapes and addresses into what it says'],
  },
  'too much of everything': {
    'attacks/oversized.test.ts': ['of an address', 'of a query', 'of headers', 'of a manifest', 'scopes'],
    'http/limits.test.ts': ['bodysize', 'headersize', 'requestrate', 'connections'],
  },
  'request smuggling': { 'http/smuggling.test.ts': ['a length and chunks', 'through nginx', 'through haproxy'] },
  'slow clients': {
    'long/slowloris.test.ts': ['2_000', 'others pull as before'],
    'http/hostile.test.ts': ['1,000 idle connections'],
    'http/limits.test.ts': ['headertimeout ends who sends headers slowly'],
  },
  'blobs by a mount, past what may be read': {
    'scenarios/admission.test.ts': ['a blob of a denied repository is not mounted'],
    'scenarios/private.test.ts': ['what is known by its digest is not had through another repository'],
    'auth/mounts.test.ts': ['need the right to pull from the other repository'],
  },
  'guessed passwords': {
    'auth/htpasswd.test.ts': ['is damped for its address'],
    'auth/private.test.ts': ['an address that guesses is slowed down'],
  },
}

describe('attacks', () => {
  for (const [attack, files] of Object.entries(attacks)) {
    it(`${attack}: is tested`, async () => {
      for (const [file, words] of Object.entries(files)) {
        const text = await readFile(join(import.meta.dirname, '..', file), 'utf8')
        for (const word of words) assert.ok(text.includes(word), `${file} has no test of: ${word}`)
      }
    })
  }
})

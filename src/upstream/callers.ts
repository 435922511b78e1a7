// What a registry lets others read: asked with the credentials of a caller, or with none, and never with those of this mirror. Nothing
// is remembered here, so that an answer is always the registry's own of this moment, and no refusal of one caller touches another.
import { UpstreamFailure } from '../content.ts'
import type { Clock } from '../lib/clock.ts'
import { parseChallenges } from '../oci/challenge.ts'
import type { RepositoryName } from '../oci/names.ts'
import type { Log } from '../telemetry/log.ts'
import type { Answer } from './answers.ts'
import { Authorization } from './authorization.ts'
import { type Credentials, fixedCredentials } from './credentials.ts'
import { listTags } from './lists.ts'
import { QuotaState } from './quota.ts'
import { mayReceiveCredentials } from './realm-trust.ts'
import { apiBase, Session } from './session.ts'
import { Tokens } from './tokens.ts'
import type { Transport } from './transport.ts'

/** `wrong`: the name and the password themselves, whatever is asked for. */
export type CallerVerdict = 'granted' | 'denied' | 'wrong'

export interface CallersOptions {
  readonly registry: URL
  /** That of the mirror's own questions: a registry that is down is down for callers, too. */
  readonly transport: Transport
  readonly trustedRealms: readonly string[]
  readonly clock: Clock
  readonly log: Log
}

interface Asking {
  readonly session: Session
  readonly authorization: Authorization
}

export class Callers {
  readonly #options: CallersOptions
  /** A caller's wrong password is no trouble of the operator. */
  readonly #log: Log
  #hasWarned = false

  constructor(options: CallersOptions) {
    this.#options = options
    const { log } = options
    this.#log = {
      debug: (fields, message) => log.debug(fields, message),
      info: (fields, message) => log.debug(fields, message),
      error: (fields, message) => log.debug(fields, `${message} (those of a caller)`),
      warn: (fields, message) => {
        if (this.#hasWarned) return
        this.#hasWarned = true
        log.warn(fields, message)
      },
    }
  }

  /** Whether the repository can be read with these credentials, or with none. By its list of tags, which costs no pulls. Throws UpstreamFailure. */
  async mayPull(repository: RepositoryName, credentials: Credentials | undefined, signal: AbortSignal): Promise<CallerVerdict> {
    try {
      const tags = await listTags(this.#begin(credentials).session, repository, { n: 1, last: undefined }, signal)
      return tags === undefined ? 'denied' : 'granted'
    } catch (error) {
      return refusalIn(error, credentials)
    }
  }

  /** Whether name and password are right. Throws UpstreamFailure. */
  async checkLogin(credentials: Credentials, signal: AbortSignal): Promise<CallerVerdict> {
    const { registry, transport, clock } = this.#options
    const url = new URL(apiBase(registry))
    const since = clock.now()
    try {
      const first = await transport.ask({ method: 'GET', url, headers: {} }, signal)
      first.discard()
      // Who asks nobody for a name has no secrets.
      if (first.status !== 401) return verdictOf(first, clock)
      const challenges = parseChallenges(first.header('www-authenticate') ?? '')
      for (const { scheme, parameters } of challenges) if (scheme === 'bearer') this.#mustTrust(parameters['realm'], first)
      const { authorization } = this.#begin(credentials)
      const grant = await authorization.renew('', { challenges, grant: undefined, renewed: false, since }, signal)
      if (grant === undefined) throw first.broken('its challenge cannot be understood')
      const second = await transport.ask({ method: 'GET', url, headers: { authorization: grant.header } }, signal)
      second.discard()
      return second.status === 401 ? 'wrong' : verdictOf(second, clock)
    } catch (error) {
      return refusalIn(error, credentials)
    }
  }

  /** A token that was got without the credentials says nothing of them. */
  #mustTrust(realm: string | undefined, answer: Answer): void {
    const url = URL.parse(realm ?? '')
    if (url !== null && mayReceiveCredentials(url, this.#options.registry, this.#options.trustedRealms)) return
    throw answer.broken('its token server may not see credentials; proxy.trustedrealms says which ones may')
  }

  /** Used once and forgotten: the tokens of a caller would outlive his rights. */
  #begin(caller: Credentials | undefined): Asking {
    const { registry, transport, trustedRealms, clock } = this.#options
    const credentials = caller === undefined ? undefined : fixedCredentials(caller)
    const common = { registry, credentials, refusalMs: 1, clock, log: this.#log }
    const tokens = new Tokens({ ...common, transport, trustedRealms })
    const authorization = new Authorization({ ...common, tokens })
    return { authorization, session: new Session({ registry, transport, authorization, quota: new QuotaState(clock), clock }) }
  }
}

function verdictOf(answer: Answer, clock: Clock): CallerVerdict {
  if (answer.status === 200) return 'granted'
  throw answer.failure(clock.now())
}

/** Throws what is no refusal. */
function refusalIn(error: unknown, credentials: Credentials | undefined): CallerVerdict {
  if (!(error instanceof UpstreamFailure)) throw error
  if (error.kind === 'denied') return 'denied'
  // Without any, "our credentials are wrong" only means that some are wanted.
  if (error.kind === 'login-refused') return credentials === undefined ? 'denied' : 'wrong'
  throw error
}

// Between a route and its handler: the handler runs for those who may, everybody else is answered here. Without authentication
// the handlers stay as they are, so that nothing is paid for it.
import type { BlockList } from 'node:net'
import { accessesOf, type Authenticator, type Credentials, type Decision, type Wanted } from '../../auth/access.ts'
import { RegistryError } from '../../oci/errors.ts'
import { clientAddressOf } from '../client-address.ts'
import { answerError } from '../error-response.ts'
import type { Exchange, Handler } from '../exchange.ts'
import type { Origins } from '../locations.ts'
import type { MayAnswer } from '../request-hooks.ts'
import type { WantsOf } from '../wanted.ts'

/** Whether the caller may. `false`: no, and it has been told so. Synchronous where the authenticator is. */
export type Authorize = (exchange: Exchange, wanted: readonly Wanted[]) => boolean | Promise<boolean>

export interface CredentialParts {
  readonly origins: Origins
  readonly trustedProxies: BlockList
}

export interface AuthenticationOptions extends CredentialParts {
  readonly authenticator: Authenticator
}

export function createAuthorize({ authenticator, ...parts }: AuthenticationOptions): Authorize {
  return (exchange, wanted) => {
    const decision = authenticator.authorize(createCredentials(exchange, parts), wanted)
    if (decision instanceof Promise) return decision.then((decided) => follow(exchange, wanted, decided))
    return follow(exchange, wanted, decision)
  }
}

/** The handler behind the question whether it may run. */
export function guarded(handler: Handler, wantsOf: WantsOf, authorize: Authorize | undefined): Handler {
  if (authorize === undefined) return handler
  return (exchange, captures) => {
    const may = exchange.isAllowed ?? authorize(exchange, wantsOf(exchange, captures))
    if (may === true) return handler(exchange, captures)
    if (may === false) return undefined
    return may.then((waited) => (waited ? handler(exchange, captures) : undefined))
  }
}

export function createMayAnswer(authorize: Authorize, wantsOf: WantsOf): MayAnswer {
  return (exchange, captures) => authorize(exchange, wantsOf(exchange, captures))
}

export function createCredentials(exchange: Exchange, { origins, trustedProxies }: CredentialParts): Credentials {
  return new RequestCredentials(exchange, origins, trustedProxies)
}

class RequestCredentials implements Credentials {
  readonly #exchange: Exchange
  readonly #origins: Origins
  readonly #trustedProxies: BlockList
  readonly authorization: string | undefined

  constructor(exchange: Exchange, origins: Origins, trustedProxies: BlockList) {
    this.#exchange = exchange
    this.#origins = origins
    this.#trustedProxies = trustedProxies
    this.authorization = exchange.req.headers.authorization
  }

  get address(): string {
    return clientAddressOf(this.#exchange.req, this.#trustedProxies)
  }

  get origin(): string {
    return this.#origins.originOf(this.#exchange)
  }

  get base(): string {
    return this.#origins.baseOf(this.#exchange)
  }

  get isSecure(): boolean {
    return this.#origins.isSecure(this.#exchange)
  }

  get forwardedScheme(): 'http' | 'https' | undefined {
    return this.#origins.forwardedSchemeOf(this.#exchange)
  }
}

function follow(exchange: Exchange, wanted: readonly Wanted[], decision: Decision): boolean {
  if (decision.kind === 'allowed') {
    exchange.user = decision.principal.name
    return true
  }
  answerRefusal(exchange, wanted, decision)
  return false
}

export function answerRefusal(exchange: Exchange, wanted: readonly Wanted[], decision: Exclude<Decision, { kind: 'allowed' }>): void {
  if (decision.kind === 'denied') {
    exchange.user = decision.principal.name
    answerError(exchange, new RegistryError('DENIED', 'requested access to the resource is denied', { detail: detailOf(wanted) }))
  } else if (decision.kind === 'damped') {
    const message = 'too many requests: too many failed attempts to log in'
    answerError(exchange, new RegistryError('TOOMANYREQUESTS', message), ['Retry-After', String(Math.ceil(decision.retryAfterSeconds))])
  } else {
    const error = new RegistryError('UNAUTHORIZED', 'authentication required', { detail: detailOf(wanted) })
    answerError(exchange, error, ['WWW-Authenticate', decision.challenge])
  }
}

/** As distribution shows it: its own names of fields, and null where nothing is wanted. */
function detailOf(wanted: readonly Wanted[]): unknown {
  const accesses = accessesOf(wanted)
  if (accesses.length === 0) return null
  return accesses.map(({ type, name, action }) => ({ Type: type, Class: '', Name: name, Action: action }))
}

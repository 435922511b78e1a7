// distribution's `silly`: whoever sends any Authorization header passes. For tests of clients; it protects nothing.
import { accessesOf, type Authenticator, formatChallenge, type Principal } from './access.ts'

export interface SillyOptions {
  readonly realm: string
  readonly service: string
}

const silly: Principal = { name: 'silly', groups: [] }

export function createSilly({ realm, service }: SillyOptions): Authenticator {
  return {
    authorize({ authorization }, wanted) {
      if (authorization !== undefined && authorization !== '') return { kind: 'allowed', principal: silly }
      const scope = accessesOf(wanted).map(({ type, name, action }) => `${type}:${name}:${action}`)
      return { kind: 'challenge', challenge: formatChallenge('Bearer', { realm, service, scope: scope.join(' ') }) }
    },
  }
}

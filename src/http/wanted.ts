// What each route wants of its caller, as distribution asks for it: reading wants pull, writing pull and push, deleting delete.
import type { Action, Wanted } from '../auth/access.ts'
import { isRegistryError } from '../oci/errors.ts'
import type { Exchange } from './exchange.ts'
import { namespaceIn, type Naming } from './request-names.ts'

export type WantsOf = (exchange: Exchange, captures: readonly string[]) => readonly Wanted[]

const ping: readonly Wanted[] = [{ kind: 'ping' }]
const catalog: readonly Wanted[] = [{ kind: 'catalog' }]
const reading: readonly Action[] = ['pull']
const writing: readonly Action[] = ['pull', 'push']
const deleting: readonly Action[] = ['delete']

export const wantsPing: WantsOf = () => ping
export const wantsCatalog: WantsOf = () => catalog

/** For routes whose first capture is a repository. */
export function createRepositoryWants(naming: Naming): WantsOf {
  return (exchange, [rawName]) => {
    const want = wantOf(naming, exchange, rawName, actionsOf(exchange.req.method))
    return want === undefined ? ping : [want]
  }
}

/** A mount wants to pull from the other repository, too. */
export function createUploadWants(naming: Naming): WantsOf {
  return (exchange, [rawName]) => {
    const want = wantOf(naming, exchange, rawName, actionsOf(exchange.req.method))
    if (want === undefined) return ping
    const from = new URLSearchParams(exchange.query).get('from') ?? ''
    const source = from === '' ? undefined : wantOf(naming, exchange, from, reading)
    return source === undefined ? [want] : [want, source]
  }
}

function actionsOf(method: string | undefined): readonly Action[] {
  if (method === 'GET' || method === 'HEAD') return reading
  return method === 'DELETE' ? deleting : writing
}

/** `undefined`: no name of anything here. The handler says so, but only to those who may ask at all. */
function wantOf(naming: Naming, exchange: Exchange, raw: string | undefined, actions: readonly Action[]): Wanted | undefined {
  try {
    const { asked, repository } = naming(exchange, raw)
    // With `ns` the client's word for it may be another repository's name, which its token must not stand for.
    const isOwnWord = asked === repository || namespaceIn(exchange.query) === undefined
    return { kind: 'repository', repository, asked: isOwnWord ? asked : repository, actions }
  } catch (error) {
    if (isRegistryError(error)) return undefined
    throw error
  }
}

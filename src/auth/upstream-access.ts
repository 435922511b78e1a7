// What upstream lets whom read, as authenticators ask for it. The one who knows is the mirror.
import type { RepositoryName } from '../oci/names.ts'

/** Somebody's credentials for the registry that is mirrored. */
export interface UpstreamCaller {
  /** Tells callers apart without saying who they are. */
  readonly key: string
  readonly username: string
  readonly password: string
}

/** `wrong`: the name and the password themselves. */
type UpstreamVerdict = 'granted' | 'denied' | 'wrong'

/** What is `…Now` asks nobody. The others throw where upstream cannot be asked and nothing older stands in. */
export interface UpstreamAccess {
  isPublicNow(repository: RepositoryName): boolean
  isPublic(repository: RepositoryName): Promise<boolean>
  isGrantedNow(callerKey: string, repository: RepositoryName): boolean
  isWrongNow(callerKey: string): boolean
  check(caller: UpstreamCaller, repository: RepositoryName): Promise<UpstreamVerdict>
  checkLogin(caller: UpstreamCaller): Promise<UpstreamVerdict>
}

// What an operator can do to an image: pin, unpin, ask upstream anew, evict.
import { isDigest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { EvictOutcome, PinOutcome, RefreshOutcome } from './api.ts'
import { imageNameOf } from './image-names.ts'
import { findImage, indexOf, nameIn } from './images.ts'
import type { Views } from './views.ts'

const longestPattern = 512

/** `pattern`: an image, a digest, or a glob on `repository` or `repository:tag`, as in proxy.pin. */
export async function pin(views: Views, pattern: string): Promise<PinOutcome> {
  const checked = patternIn(pattern)
  if (views.mode === 'registry') throw new RegistryError('UNSUPPORTED', 'nothing is ever evicted here, so there is nothing to pin')
  const index = await indexOf(views)
  const before = await index.pins()
  const known = before.find((each) => isSamePattern(each, checked))
  if (known === undefined) await index.pin(checked)
  return { pattern: known ?? checked, pins: await index.pins(), changed: known === undefined, configured: views.configuredPins }
}

export async function unpin(views: Views, pattern: string): Promise<PinOutcome> {
  const checked = patternIn(pattern)
  const index = await indexOf(views)
  const known = (await index.pins()).filter((each) => isSamePattern(each, checked))
  for (const each of known) await index.unpin(each)
  return { pattern: known[0] ?? checked, pins: await index.pins(), changed: known.length > 0, configured: views.configuredPins }
}

/** Throws RegistryError, UpstreamFailure. */
export async function refresh(views: Views, name: string, signal: AbortSignal): Promise<RefreshOutcome> {
  const { repository, tag } = nameIn(views, name)
  const ask = views.actions.refresh
  if (tag === undefined) throw new RegistryError('TAG_INVALID', 'a digest always means the same: only tags can be refreshed')
  if (ask === undefined || views.isOwn(repository))
    throw new RegistryError('UNSUPPORTED', `${repository} has no upstream that could be asked`)
  const { before, now } = await ask(repository, tag, signal)
  const outcome = now === undefined ? 'absent' : before === undefined ? 'new' : before === now ? 'unchanged' : 'moved'
  return { image: `${repository}:${tag}`, outcome, before: before ?? null, now: now ?? null }
}

/** Throws RegistryError. */
export async function evict(views: Views, name: string): Promise<EvictOutcome> {
  const found = await findImage(views, name)
  if (views.isOwn(found.repository)) {
    throw new RegistryError('UNSUPPORTED', `${found.repository} was pushed here and would be lost: delete it with the registry's API`)
  }
  const outcome = await views.actions.evict(found.repository, found)
  return { image: imageNameOf(found), ...outcome }
}

/** Of `name@digest` the digest is what counts. */
function patternIn(given: string): string {
  const text = given.slice(given.indexOf('@') + 1)
  if (isDigest(text) || /^[a-z0-9*?][\w.:/*?-]*$/.test(text)) {
    if (text.length <= longestPattern) return text
  }
  const allowed = 'an image such as nginx:1.27, a digest, or a glob such as team/**'
  throw new RegistryError('NAME_INVALID', `${JSON.stringify(text.slice(0, 80))} cannot be pinned; allowed: ${allowed}`)
}

/** Docker Hub's own images are known with and without `library/`. */
function isSamePattern(one: string, other: string): boolean {
  return one === other || one === `library/${other}` || `library/${one}` === other
}

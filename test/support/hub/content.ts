// What the stand-in Hub holds: repositories with tags, manifests, blobs and referrers. No HTTP here.
import { type BlobSource, type Descriptor, descriptorOf, type Image, indexOf, type Manifest } from '../images.ts'

export interface Repository {
  readonly name: string
  /** Readable by its owner alone. */
  isPrivate: boolean
  /** The account that owns it; the first component of the name unless told otherwise. */
  owner: string
  readonly tags: Map<string, string>
  readonly manifests: Map<string, Manifest>
  readonly blobs: Map<string, BlobSource>
  /** Descriptors by the digest they refer to, in order of arrival. */
  readonly referrers: Map<string, Descriptor[]>
}

export interface AddOptions {
  /** Tags that point at the image's top manifest. */
  readonly tags?: readonly string[]
  /** Only its owner may see the repository; false unless told. Holds for the repository as a whole from now on. */
  readonly private?: boolean
  /** The owning account; the first component of the name unless told. */
  readonly owner?: string
}

/** Docker Hub's own name for a repository: one component means an official image. */
export function fullName(repository: string): string {
  return repository.includes('/') ? repository : `library/${repository}`
}

export class Content {
  readonly repositories = new Map<string, Repository>()
  /** Moves that wait for a HEAD of the tag: `repository:tag` → digest. */
  readonly #pendingMoves = new Map<string, string>()

  find(repository: string): Repository | undefined {
    return this.repositories.get(repository)
  }

  /** The repository, made empty and public if there is none. */
  open(repository: string): Repository {
    const name = fullName(repository)
    const found = this.repositories.get(name)
    if (found !== undefined) return found
    const owner = name.slice(0, name.indexOf('/'))
    const made: Repository = {
      name,
      isPrivate: false,
      owner,
      tags: new Map(),
      manifests: new Map(),
      blobs: new Map(),
      referrers: new Map(),
    }
    this.repositories.set(name, made)
    return made
  }

  add(repository: string, image: Image, options: AddOptions = {}): void {
    const target = this.open(repository)
    if (options.private !== undefined) target.isPrivate = options.private
    if (options.owner !== undefined) target.owner = options.owner
    this.#put(target, image)
    for (const tag of options.tags ?? []) target.tags.set(tag, image.manifest.digest)
  }

  #put(target: Repository, image: Image): void {
    target.manifests.set(image.manifest.digest, image.manifest)
    for (const blob of image.blobs.values()) target.blobs.set(blob.digest, blob)
    for (const child of image.children) this.#put(target, child)
    if (image.subject !== undefined) this.#refer(target, image.subject, image)
  }

  #refer(target: Repository, subject: string, referrer: Image): void {
    const known = target.referrers.get(subject) ?? []
    if (known.some((descriptor) => descriptor.digest === referrer.manifest.digest)) return
    const kind = referrer.artifactType === undefined ? {} : { artifactType: referrer.artifactType }
    target.referrers.set(subject, [...known, { ...descriptorOf(referrer), ...kind }])
  }

  addReferrer(repository: string, subject: string, referrer: Image, asTag: boolean): void {
    const target = this.open(repository)
    this.#put(target, referrer)
    this.#refer(target, subject, referrer)
    if (!asTag) return
    const index = indexOf([referrer])
    target.manifests.set(index.manifest.digest, index.manifest)
    target.tags.set(subject.replace(':', '-'), index.manifest.digest)
  }

  moveTag(repository: string, tag: string, digest: string): void {
    this.open(repository).tags.set(tag, digest)
  }

  moveTagAfterHead(repository: string, tag: string, digest: string): void {
    this.#pendingMoves.set(`${fullName(repository)}:${tag}`, digest)
  }

  /** To be called when a HEAD of a tag has been answered. */
  afterHead(repository: string, tag: string): void {
    const key = `${repository}:${tag}`
    const digest = this.#pendingMoves.get(key)
    if (digest === undefined) return
    this.#pendingMoves.delete(key)
    this.moveTag(repository, tag, digest)
  }

  /** The manifest behind a tag or digest, if both tag and manifest are there. */
  findManifest(repository: Repository, reference: string): Manifest | undefined {
    return repository.manifests.get(reference.includes(':') ? reference : (repository.tags.get(reference) ?? ''))
  }
}

// The images that are here: a page of them, and one in full. Both from the usage index; manifests are read for what is shown only.
import type { Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/errors.ts'
import type { RepositoryName, Tag } from '../oci/names.ts'
import type { Image, ImageDetail, Images } from './api.ts'
import { imageNameOf, parseImageName } from './image-names.ts'
import { type Made, readMade } from './platforms.ts'
import { timeOf } from './snapshot.ts'
import type { ImageIndex, ImageOrder, ImageRow, Views } from './views.ts'

export interface ImagesQuery {
  readonly search: string
  readonly order: ImageOrder
  readonly limit: number
  readonly offset: number
}

export interface FoundImage {
  readonly repository: RepositoryName
  readonly tag: Tag | undefined
  readonly digest: Digest
}

/** Throws RegistryError UNSUPPORTED where there is no index. */
export async function listImages(views: Views, { search, order, limit, offset }: ImagesQuery): Promise<Images> {
  const index = await indexOf(views)
  const rows = await index.images({ search, order, limit: limit + 1, offset })
  const page = rows.slice(0, limit)
  const patterns = [...views.configuredPins, ...(await index.pins())]
  const images = await Promise.all(
    page.map(async (row) => imageOf(views, row, patterns, await readMade(views, row.repository, row.digest))),
  )
  return { images, nextOffset: rows.length > limit ? offset + limit : null }
}

/** Throws RegistryError NAME_INVALID, NAME_UNKNOWN, MANIFEST_UNKNOWN. */
export async function describeImage(views: Views, name: string): Promise<ImageDetail> {
  const index = await indexOf(views)
  const found = await findImage(views, name)
  const root = await index.find(found.repository, found.digest)
  const made = await readMade(views, found.repository, found.digest)
  const patterns = [...views.configuredPins, ...(await index.pins())]
  const row = { ...found, usedAt: root?.usedAt ?? 0, bytes: await index.bytesOf(found.repository, found.digest) }
  const manifests = (made?.parts ?? []).map(async ({ platform, digest }) => {
    const isHere = (await index.find(found.repository, digest)) !== undefined
    return { platform, digest, isHere, bytes: isHere ? await index.bytesOf(found.repository, digest) : null }
  })
  return {
    ...imageOf(views, row, patterns, made),
    mediaType: made?.mediaType ?? '',
    otherTags: (root?.tags ?? []).filter((tag) => tag !== found.tag),
    manifests: await Promise.all(manifests),
    layers: made?.layers ?? [],
  }
}

/** An image that is here, by what an operator calls it. Throws RegistryError NAME_INVALID, NAME_UNKNOWN, MANIFEST_UNKNOWN. */
export async function findImage(views: Views, name: string): Promise<FoundImage> {
  const { repository, tag, digest } = nameIn(views, name)
  const index = await indexOf(views)
  const pointedAt = digest ?? (tag === undefined ? undefined : await index.findTag(repository, tag))
  if (pointedAt === undefined || (await index.find(repository, pointedAt)) === undefined) {
    throw new RegistryError('MANIFEST_UNKNOWN', `${name} is not here`)
  }
  return { repository, tag, digest: pointedAt }
}

/** The name as content is known by, whether or not it is here. */
export function nameIn(
  views: Views,
  name: string,
): { readonly repository: RepositoryName; readonly tag: Tag | undefined; readonly digest: Digest | undefined } {
  const { repository: asked, reference } = parseImageName(name)
  const repository = views.nameOf(asked)
  if (repository === undefined) throw new RegistryError('NAME_UNKNOWN', `${asked} is of no registry that is served here`)
  return { repository, tag: 'tag' in reference ? reference.tag : undefined, digest: 'digest' in reference ? reference.digest : undefined }
}

export function indexOf({ index }: Views): Promise<ImageIndex> {
  if (index !== undefined) return index()
  throw new RegistryError('UNSUPPORTED', 'no index of images is kept here: use /v2/_catalog and tags/list')
}

function imageOf(views: Views, row: ImageRow, patterns: readonly string[], made: Made | undefined): Image {
  const { repository, tag, digest, usedAt, bytes } = row
  return {
    image: imageNameOf(row),
    repository,
    tag: tag ?? null,
    digest,
    bytes,
    usedAt: timeOf(usedAt),
    platforms: (made?.parts ?? []).map(({ platform }) => platform),
    pinnedBy: views.pinnedBy(patterns, { repository, digest, tags: tag === undefined ? [] : [tag] }),
    isOwn: views.isOwn(repository),
  }
}

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { parseDigest } from '../../src/oci/digest.ts'
import { parseRepositoryName, parseTag } from '../../src/oci/names.ts'
import * as layout from '../../src/store/layout.ts'

const hex = '5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef'
const sha256 = parseDigest(`sha256:${hex}`)
const sha512 = parseDigest(`sha512:${hex}${hex}`)
const repository = parseRepositoryName('library/busybox')
const tag = parseTag('1.36_glibc-x')

/** As registry:2 and registry:3 lay it out; a path that differs is content that the other does not find. */
const table: Record<string, [got: string, expected: string]> = {
  'the bytes of a blob': [layout.blobDataPath(sha256), `/docker/registry/v2/blobs/sha256/5f/${hex}/data`],
  'the bytes of a sha512 blob': [layout.blobDataPath(sha512), `/docker/registry/v2/blobs/sha512/5f/${hex}${hex}/data`],
  'a layer of a repository': [
    layout.layerLinkPath(repository, sha256),
    `/docker/registry/v2/repositories/library/busybox/_layers/sha256/${hex}/link`,
  ],
  'a manifest of a repository': [
    layout.revisionLinkPath(repository, sha256),
    `/docker/registry/v2/repositories/library/busybox/_manifests/revisions/sha256/${hex}/link`,
  ],
  'what a tag points at': [
    layout.currentLinkPath(repository, tag),
    '/docker/registry/v2/repositories/library/busybox/_manifests/tags/1.36_glibc-x/current/link',
  ],
  'what a tag pointed at': [
    layout.indexLinkPath(repository, tag, sha256),
    `/docker/registry/v2/repositories/library/busybox/_manifests/tags/1.36_glibc-x/index/sha256/${hex}/link`,
  ],
  'the tags of a repository': [layout.tagsFolder(repository), '/docker/registry/v2/repositories/library/busybox/_manifests/tags'],
  'all repositories': [layout.repositoriesFolder, '/docker/registry/v2/repositories'],
  'our note on a media type': [layout.mediaTypePath(sha256), `/entrepot/media-types/sha256/${hex}`],
  'our files on their way in': [layout.fillsFolder, '/entrepot/fills'],
}

for (const [what, [got, expected]] of Object.entries(table)) {
  it(`${what} lies where it must, at a path that distribution's drivers take`, () => {
    assert.equal(got, expected)
    assert.match(got, /^(\/[A-Za-z0-9._-]+)+$/)
  })
}

it('a name with a port is refused, for distribution would stumble over its folder', () => {
  const name = parseRepositoryName('localhost:5000/busybox')
  assert.throws(() => layout.layerLinkPath(name, sha256), { code: 'NAME_INVALID' })
  assert.throws(() => layout.currentLinkPath(name, tag), { code: 'NAME_INVALID' })
})

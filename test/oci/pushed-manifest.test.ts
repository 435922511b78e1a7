// Which manifests can be pushed, and what is read out of them.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { maxManifestBytes } from '../../src/oci/manifest.ts'
import { mediaTypes } from '../../src/oci/media-types.ts'
import { parsePushedManifest } from '../../src/oci/pushed-manifest.ts'

const [a, b] = [digestOf(Buffer.from('a')), digestOf(Buffer.from('b'), 'sha512')]
const config = { mediaType: 'x/config', digest: a, size: 1 }
const image = {
  schemaVersion: 2,
  mediaType: mediaTypes.ociManifest,
  config,
  layers: [{ mediaType: 'x/layer', digest: b, size: 1, urls: ['https://c'] }],
}
const index = {
  schemaVersion: 2,
  mediaType: mediaTypes.ociIndex,
  manifests: [{ digest: a, platform: { architecture: 'arm64', os: 'linux' } }],
}
const subject = { mediaType: mediaTypes.ociManifest, digest: a, size: 1 }

function parse(fields: object | string, contentType: string | undefined) {
  return parsePushedManifest(Buffer.from(typeof fields === 'string' ? fields : JSON.stringify(fields)), contentType)
}

describe('a manifest that is pushed', () => {
  it('is read as the image that its Content-Type says', () => {
    assert.deepEqual(parse(image, mediaTypes.ociManifest), {
      mediaType: mediaTypes.ociManifest,
      blobs: [
        { digest: a, mediaType: 'x/config', urls: [] },
        { digest: b, mediaType: 'x/layer', urls: ['https://c'] },
      ],
      manifests: [],
      subject: undefined,
    })
  })

  it('is read as the index that its Content-Type says', () => {
    assert.deepEqual(parse({ ...index, subject }, mediaTypes.ociIndex), {
      mediaType: mediaTypes.ociIndex,
      blobs: [],
      manifests: [{ digest: a, architecture: 'arm64', os: 'linux' }],
      subject: a,
    })
  })

  const accepted: Record<string, [object, string]> = {
    'with parameters in its Content-Type': [image, `${mediaTypes.ociManifest}; charset=utf-8`],
    'of OCI that does not name its type': [{ ...image, mediaType: undefined }, mediaTypes.ociManifest],
    'without layers': [{ ...image, layers: undefined }, mediaTypes.ociManifest],
    'of OCI with a null for its subject': [{ ...image, subject: null }, mediaTypes.ociManifest],
    'that is an empty index': [{ schemaVersion: 2, manifests: [] }, mediaTypes.ociIndex],
    'of Docker': [{ ...image, mediaType: mediaTypes.dockerManifest }, mediaTypes.dockerManifest],
    'that is a list of Docker': [{ ...index, mediaType: mediaTypes.dockerManifestList }, mediaTypes.dockerManifestList],
  }
  for (const [name, [fields, contentType]] of Object.entries(accepted)) {
    it(`${name} is accepted`, () => {
      assert.equal(parse(fields, contentType).mediaType, contentType.split(';')[0])
    })
  }

  const refused: Record<string, [object | string, string | undefined, RegExp, string?]> = {
    'without a Content-Type': [image, undefined, /unsupported manifest media type and no default available: $/],
    'of an unknown type': [image, 'application/json', /unsupported .*: application\/json/],
    "of Docker's oldest format": [{ schemaVersion: 1 }, mediaTypes.dockerSchema1, /unsupported/],
    'that is no JSON': ['{', mediaTypes.ociManifest, /not JSON/],
    'that is a list': ['[]', mediaTypes.ociManifest, /not a JSON object/],
    'that is larger than one may be': [{ ...image, padding: 'x'.repeat(maxManifestBytes) }, mediaTypes.ociManifest, /larger than/],
    'that names another type inside': [image, mediaTypes.dockerManifest, /mediaType must be/],
    'of Docker that does not name its type': [{ ...image, mediaType: undefined }, mediaTypes.dockerManifest, /mediaType must be/],
    'of another schemaVersion': [{ ...image, schemaVersion: 1 }, mediaTypes.ociManifest, /schemaVersion/],
    'of a schemaVersion in quotes': [{ ...image, schemaVersion: '2' }, mediaTypes.ociManifest, /schemaVersion/],
    'that is an image and an index': [{ ...image, manifests: [] }, mediaTypes.ociManifest, /has no manifests/],
    'that is an index and an image': [{ ...index, layers: [] }, mediaTypes.ociIndex, /has no layers/],
    'that is an index with a config': [{ ...index, config }, mediaTypes.ociIndex, /has no config/],
    'without a config': [{ ...image, config: undefined }, mediaTypes.ociManifest, /config is no descriptor/],
    'whose layers are no list': [{ ...image, layers: {} }, mediaTypes.ociManifest, /layers must be a list/],
    'with a layer that is no descriptor': [{ ...image, layers: ['x'] }, mediaTypes.ociManifest, /layers is no descriptor/],
    'with a layer without a digest': [{ ...image, layers: [{}] }, mediaTypes.ociManifest, /undefined/, 'DIGEST_INVALID'],
    'with a digest in capitals': [{ ...image, config: { digest: a.toUpperCase() } }, mediaTypes.ociManifest, /SHA256/, 'DIGEST_INVALID'],
    'with a path for a digest': [{ ...index, manifests: [{ digest: '../..' }] }, mediaTypes.ociIndex, /\.\./, 'DIGEST_INVALID'],
    'whose subject is no descriptor': [{ ...image, subject: a }, mediaTypes.ociManifest, /subject is no descriptor/],
    'whose subject has no digest': [{ ...image, subject: {} }, mediaTypes.ociManifest, /undefined/, 'DIGEST_INVALID'],
  }
  for (const [name, [fields, contentType, detail, code]] of Object.entries(refused)) {
    it(`${name} is refused`, () => {
      assert.throws(
        () => parse(fields, contentType),
        (error: { code: string; detail: string }) => {
          assert.equal(error.code, code ?? 'MANIFEST_INVALID')
          assert.match(error.detail, detail)
          return true
        },
      )
    })
  }
})

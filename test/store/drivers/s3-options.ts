// The options of a driver on radosgw.
import type { S3Options } from '../../../src/store/drivers/s3-client.ts'
import type { Radosgw } from '../../support/servers/radosgw.ts'

const mebibyte = 1024 * 1024

export function s3Options(
  s3: Pick<Radosgw, 'url' | 'region' | 'accessKey' | 'secretKey'>,
  bucket: string,
  more: Partial<S3Options> = {},
): S3Options {
  return {
    bucket,
    region: s3.region,
    keys: { accessKeyId: s3.accessKey, secretAccessKey: s3.secretKey },
    endpoint: s3.url,
    secure: false,
    skipVerify: false,
    encrypt: false,
    chunkBytes: 10 * mebibyte,
    copyChunkBytes: 32 * mebibyte,
    copyConcurrency: 100,
    copyThresholdBytes: 32 * mebibyte,
    rootFolder: '',
    storageClass: 'STANDARD',
    objectAcl: 'private',
    useDualStack: false,
    accelerate: false,
    useFips: false,
    redirects: true,
    copiesParts: true,
    key: 'storage.s3',
    ...more,
  }
}

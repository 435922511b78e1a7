import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BlobSASPermissions, generateBlobSASQueryParameters, SASProtocol, StorageSharedKeyCredential } from '@azure/storage-blob'
import { AzureSigner } from '../../../src/store/drivers/azure-signer.ts'

const key = Buffer.from('a key of the account').toString('base64')
const now = Date.UTC(2026, 0, 2, 3, 4, 5, 678)

for (const scheme of ['https', 'http']) {
  test(`an address over ${scheme} is signed as the SDK signs it`, () => {
    const containerUrl = `${scheme}://account.blob.example.com/container`
    const blobName = 'a root/docker/registry/v2/blobs/sha256/ab/abcd/data'
    const signer = new AzureSigner({ account: 'account', key, container: 'container', containerUrl })
    const address = new URL(signer.sign(blobName, now))
    const values = {
      version: '2020-12-06',
      containerName: 'container',
      blobName,
      permissions: BlobSASPermissions.parse('r'),
      startsOn: new Date(now - 10_000),
      expiresOn: new Date(now + 20 * 60_000),
      ...(scheme === 'https' ? { protocol: SASProtocol.Https } : {}),
    }
    const expected = generateBlobSASQueryParameters(values, new StorageSharedKeyCredential('account', key)).toString()
    assert.deepEqual(new Map(address.searchParams), new Map(new URLSearchParams(expected)))
    assert.equal(address.pathname, `/container/${blobName.replace(' ', '%20')}`)
  })
}

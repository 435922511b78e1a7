import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { needsPackages } from './packages.ts'
import { radosgwPackages, startRadosgw } from './servers/radosgw.ts'

describe('radosgw', await needsPackages('radosgw', radosgwPackages), () => {
  it('keeps objects, also across a death of the gateway', async () => {
    await using s3 = await startRadosgw()
    const [Bucket, Key] = [await s3.newBucket(), 'a/b']
    await s3.client.send(new PutObjectCommand({ Bucket, Key, Body: 'hello' }))
    await s3.kill()
    await assert.rejects(fetch(s3.url))
    await s3.start()
    const { Body } = await s3.client.send(new GetObjectCommand({ Bucket, Key }))
    assert.equal(await Body?.transformToString(), 'hello')
  })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodePath, S3Signer } from '../../../src/store/drivers/s3-signer.ts'

// Keys and result of the example in Amazon's "Authenticating Requests: Using Query Parameters".
const keys = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' }
const target = { method: 'GET', host: 'examplebucket.s3.amazonaws.com', path: '/test.txt' } as const
const day = Date.UTC(2013, 4, 24)

test('an address is signed as in the example of the specification', () => {
  const query = new URLSearchParams(new S3Signer('us-east-1').query(target, keys, day, 86_400))
  assert.equal(query.get('X-Amz-Signature'), 'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404')
})

test('another day, another secret and another method give other signatures, and going back gives the first again', () => {
  const signer = new S3Signer('us-east-1')
  const first = signer.query(target, keys, day, 60)
  const others = [
    signer.query(target, keys, day + 86_400_000, 60),
    signer.query(target, { ...keys, secretAccessKey: 'another' }, day, 60),
    signer.query({ ...target, method: 'HEAD' }, keys, day, 60),
    signer.query(target, { ...keys, sessionToken: 'a/token' }, day, 60),
  ]
  assert.equal(new Set([first, ...others].map((query) => query.slice(query.lastIndexOf('=')))).size, 5)
  assert.match(others[3] ?? '', /&X-Amz-Security-Token=a%2Ftoken&X-Amz-SignedHeaders=host&/)
  assert.equal(signer.query(target, keys, day, 60), first)
})

test('a path is encoded by RFC 3986, its slashes are not', () => {
  assert.equal(encodePath("a/b c/ü!'()*~"), 'a/b%20c/%C3%BC%21%27%28%29%2A~')
})

import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isLocalFileSystem, isOnThisMachine } from '../../src/lib/file-systems.ts'

test('a disk of this machine is told from what only looks like one', async () => {
  assert.equal(await isOnThisMachine(join(tmpdir(), 'not', 'there', 'yet')), true)
  // A file system, but no disk.
  assert.equal(await isOnThisMachine('/proc/self'), false)
})

// statfs(2), linux/magic.h
const types = [
  ['ext4', 0xef53, true],
  ['XFS', 0x58465342, true],
  ['tmpfs', 0x01021994, true],
  ['NFS', 0x6969, false],
  ['SMB', 0xff534d42, false],
  ['CephFS', 0x00c36400, false],
  ['FUSE, which may be anything', 0x65735546, false],
] as const
for (const [name, type, isLocal] of types)
  test(`${name} is ${isLocal ? '' : 'not '}local`, () => assert.equal(isLocalFileSystem(type), isLocal))

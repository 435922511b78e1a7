// Links: small files that hold a digest. A crash or a full disk leaves empty ones behind where distribution wrote them,
// for which it then answers 500 for ever; here such a link is as good as absent, and the next write heals it.
import { type Digest, isDigest } from '../oci/digest.ts'
import type { StorageDriver } from './driver.ts'

/** `undefined`: absent, empty, truncated or otherwise no digest. White space behind the digest does no harm here. */
export async function readLink(driver: StorageDriver, path: string): Promise<Digest | undefined> {
  return digestIn(await readText(driver, path))
}

export function digestIn(text: string | undefined): Digest | undefined {
  const digest = text?.trimEnd()
  return digest !== undefined && isDigest(digest) ? digest : undefined
}

/** Leaves a link alone that is right to the byte, because a write has to wait for the disk. */
export async function ensureLink(driver: StorageDriver, path: string, digest: Digest): Promise<void> {
  if ((await readText(driver, path)) !== digest) await driver.write(path, Buffer.from(digest))
}

/** Whether the link is there and has the length of a right one: the cheap question about a link that was right before. */
export async function isLinkInPlace(driver: StorageDriver, path: string, digest: Digest): Promise<boolean> {
  if (driver.sizeOf !== undefined) return (await driver.sizeOf(path)) === digest.length
  const entry = await driver.stat(path)
  return entry?.kind === 'file' && entry.size === digest.length
}

/** As it stands there. */
export async function readText(driver: StorageDriver, path: string): Promise<string | undefined> {
  const bytes = await driver.read(path)
  return bytes === undefined ? undefined : textOf(bytes)
}

export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

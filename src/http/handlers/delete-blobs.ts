// DELETE of blobs (distribution-spec, "Deleting Blobs").
import { answer, type Handler } from '../exchange.ts'
import type { WriteParts } from '../own-content.ts'
import { digestIn } from '../request-names.ts'
import { unknownBlob } from './blobs.ts'

export function createBlobDelete({ content, naming }: WriteParts): Handler {
  return async (exchange, [rawName, rawDigest]) => {
    const { asked, repository } = naming(exchange, rawName)
    const digest = digestIn(rawDigest)
    exchange.asksFor(repository, digest)
    if (!(await content.removeBlob(repository, digest))) throw unknownBlob(asked, digest)
    answer(exchange, 202, ['Content-Length', '0'], undefined)
  }
}

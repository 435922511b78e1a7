// stub
import type { Exchange } from './exchange.ts'
export async function sendFile(
  _exchange: Exchange,
  _part: { path: string; start: number; length: number; size: number },
): Promise<boolean> {
  return false
}

// The thread that compares passwords: one comparison takes from two milliseconds to seconds, during which the server would stand still.
import { parentPort } from 'node:worker_threads'
import { compareSync } from 'bcryptjs'

export interface Comparison {
  readonly id: number
  readonly password: string
  readonly hash: string
}

export interface Compared {
  readonly id: number
  readonly isRight: boolean
}

parentPort?.on('message', ({ id, password, hash }: Comparison) => {
  const compared: Compared = { id, isRight: compareSync(password, hash) }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  parentPort?.postMessage(compared)
})

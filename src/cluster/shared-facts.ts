// What one replica has learnt and the others need not learn again. Losing all of it costs questions, never a wrong answer; so nothing
// here throws, and nothing is waited for beyond a bound. Without replicas there is none of it: then parts that could share are given `undefined`.

/** Values are what JSON can hold; they come from another program, so whoever takes them in looks at what they are. */
export interface SharedFacts {
  /** In the order of the keys; `undefined`: nobody knows, or nobody can be asked. */
  find(keys: readonly string[]): Promise<readonly unknown[]>
  /** In the background. `ttlMs` above 0. */
  put(key: string, value: unknown, ttlMs: number): void
  /** For what all replicas want at hand without asking: it comes to those who watch the board, soon. */
  post(board: string, name: string, value: unknown, ttlMs: number): void
  watch(board: string, tell: (name: string, value: unknown) => void): Disposable
  /** One replica at a time does a piece of work, and the others take its outcome. Throws what `work` and `outcome` throw. */
  inTurn<T>(turn: SharedTurn<T>): Promise<T>
}

export interface SharedTurn<T> {
  readonly key: string
  /** What another replica's work has brought; `undefined`: nothing yet. */
  readonly outcome: () => Promise<T | undefined>
  readonly work: () => Promise<T>
  /** How long the others are waited for before the work is done beside theirs. */
  readonly patienceMs: number
}

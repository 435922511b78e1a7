// One run of a piece of work per key, shared by everybody who asks while it runs, also its failure.

export class SingleFlight<K, V> {
  readonly #running = new Map<K, Promise<V>>()

  /** Joins the running work of this key, or starts it. The promise is shared, so followers get the same value or the same rejection. */
  run(key: K, work: () => Promise<V>): Promise<V> {
    const running = this.#running.get(key)
    if (running !== undefined) return running
    const started = Promise.resolve()
      .then(work)
      .finally(() => this.#running.delete(key))
    this.#running.set(key, started)
    return started
  }

  get size(): number {
    return this.#running.size
  }
}

// What is wrong right now, by name. A failing check means that this server should get no requests at all; trouble is something that
// it can live with (Redis is away, the disk is nearly full) and that an operator wants to see. Docker Hub is neither.

export class Health {
  readonly #checks = new Map<string, string | undefined>()
  readonly #troubles = new Map<string, string>()
  #isFailing = false
  /** Set when the server begins to stop: load balancers should look elsewhere. */
  isStopping = false

  /** Some check of the configuration fails. Asked at each request, so it is kept ready. */
  get isFailing(): boolean {
    return this.#isFailing
  }

  /** The outcome of a check of the configuration; `undefined`: all is well. */
  checked(name: string, failure: string | undefined): void {
    this.#checks.set(name, failure)
    this.#isFailing = this.failures().length > 0
  }

  /** For any part of the program: what is wrong with it in one sentence, or `undefined` when it works again. */
  tell(name: string, trouble: string | undefined): void {
    if (trouble === undefined) this.#troubles.delete(name)
    else this.#troubles.set(name, trouble)
  }

  /** Name and text of each failing check. */
  failures(): [name: string, failure: string][] {
    return [...this.#checks].filter((entry): entry is [string, string] => entry[1] !== undefined)
  }

  /** Name and text of what this server lives with. */
  troubles(): [name: string, trouble: string][] {
    return [...this.#troubles]
  }

  /** Names of the checks that there are. */
  checks(): string[] {
    return [...this.#checks.keys()]
  }
}

// What is wrong right now, by name. A failing check means that this server should get no requests at all; trouble is something that
// it can live with (Redis is away, the disk is nearly full) and that an operator wants to see. Docker Hub is neither.

/** As it goes from process to process. */
export interface HealthState {
  readonly isStopping: boolean
  /** Every check; null: it is well. */
  readonly checks: Readonly<Record<string, string | null>>
  readonly troubles: Readonly<Record<string, string>>
}

/** Of several processes that serve one address: what fails in one fails. */
export function together(states: readonly HealthState[]): HealthState {
  const checks = new Map<string, string | null>()
  for (const state of states) for (const [name, failure] of Object.entries(state.checks)) checks.set(name, checks.get(name) ?? failure)
  return {
    isStopping: states.some(({ isStopping }) => isStopping),
    checks: Object.fromEntries(checks),
    troubles: Object.assign({}, ...states.map(({ troubles }) => troubles)) as HealthState['troubles'],
  }
}

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

  state(): HealthState {
    const checks = Object.fromEntries([...this.#checks].map(([name, failure]) => [name, failure ?? null]))
    return { isStopping: this.isStopping, checks, troubles: Object.fromEntries(this.#troubles) }
  }

  /** Names of the checks that there are. */
  checks(): string[] {
    return [...this.#checks.keys()]
  }
}

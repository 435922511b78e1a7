// What can be said about a configuration: where, what was found, what is allowed.

/** A place in the file (lines and columns from 1), or the environment variable that set the value. */
export type Origin = { readonly file: string; readonly line: number; readonly column: number } | { readonly variable: string }

/** A path into the configuration: keys, and numbers for the places of a list. */
export type ConfigPath = readonly (string | number)[]

export interface Problem {
  /** `file:line:column`, the name of a variable, or the file's name alone. */
  readonly where: string
  /** `http.tls.certificate`, or '' for the whole file. */
  readonly path: string
  readonly message: string
}

export interface Warning extends Problem {
  /**
   * unknown: no such key (also: at this place). duplicate: a key given twice. environment: about a REGISTRY_* variable.
   * pending: the key is known, its feature is not built yet. ignored: known, and will never have an effect.
   * odd: allowed, and probably not what was meant.
   */
  readonly kind: 'unknown' | 'duplicate' | 'environment' | 'pending' | 'ignored' | 'odd'
}

/** Where findings go; each is told with the place of `path`. */
export interface Findings {
  error(path: ConfigPath, message: string): void
  warn(kind: Warning['kind'], path: ConfigPath, message: string): void
}

/** Everything that is wrong with a configuration, found at once. The message holds one line for each problem. */
export class ConfigError extends Error {
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[]) {
    super(problems.map(formatProblem).join('\n'))
    this.name = 'ConfigError'
    this.problems = problems
  }
}

/** One line for a person: `mirror.yml:3:5: http.addr: …`. */
export function formatProblem(problem: Problem): string {
  return [problem.where, problem.path, problem.message].filter((part) => part !== '').join(': ')
}

export function formatOrigin(origin: Origin): string {
  return 'variable' in origin ? origin.variable : `${origin.file}:${origin.line}:${origin.column}`
}

/** `proxy.tags.rules[0].ttl`. */
export function formatPath(path: ConfigPath): string {
  return path.map((step, at) => (typeof step === 'number' ? `[${step}]` : at === 0 ? step : `.${step}`)).join('')
}

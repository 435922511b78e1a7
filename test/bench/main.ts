// The benchmarks: `node test/bench/main.ts [auth|tls|tags|stale|cold|cached|push|lists|s3|overhead|million|crowd|replicas …] [--quick] [--json]`. Prints what was measured beside what
// is demanded; ends with 1 when a goal was missed. With `--json` there is one line of JSON for each measurement instead of a table.
import { parseArgs } from 'node:util'
import { ensurePackages } from '../support/packages.ts'
import { auth } from './auth.bench.ts'
import { cached } from './cached.bench.ts'
import { cold } from './cold.bench.ts'
import { crowd } from './crowd.bench.ts'
import { lists } from './lists.bench.ts'
import { million } from './million.bench.ts'
import { overhead } from './overhead.bench.ts'
import { type Bench, type Measurement, table } from './measurement.ts'
import { push } from './push.bench.ts'
import { replicas } from './replicas.bench.ts'
import { s3 } from './s3.bench.ts'
import { stale } from './stale.bench.ts'
import { tags } from './tags.bench.ts'
import { tls } from './tls.bench.ts'

const benches: Readonly<Record<string, Bench>> = {
  auth,
  tags,
  stale,
  cold,
  cached,
  push,
  lists,
  s3,
  overhead,
  million,
  crowd,
  tls,
  replicas,
}

/** Those that run Debian's servers, too. */
const compared = new Set(['auth', 'cached', 'push', 'lists', 's3', 'overhead'])

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { quick: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
  })
  const names = positionals.length === 0 ? Object.keys(benches) : positionals
  const unknown = names.filter((name) => benches[name] === undefined)
  if (unknown.length > 0) {
    process.stderr.write(`no benchmark ${unknown.join(', ')}; there are ${Object.keys(benches).join(', ')}\n`)
    return 2
  }
  const problem = names.some((name) => compared.has(name))
    ? await ensurePackages(['docker-registry', 'nginx', 'wrk', 'apache2-utils'])
    : undefined
  if (problem !== undefined) {
    process.stderr.write(`${problem}\n`)
    return 2
  }
  const measurements = await measure(names, values.quick)
  const lines = values.json ? measurements.map((measurement) => JSON.stringify(measurement)) : [table(measurements)]
  process.stdout.write(`${lines.join('\n')}\n`)
  return measurements.some(({ isMet }) => isMet === false) ? 1 : 0
}

async function measure(names: readonly string[], isQuick: boolean): Promise<Measurement[]> {
  const measurements: Measurement[] = []
  for (const name of names) {
    const tell = (text: string) => process.stderr.write(`${name}: ${text}\n`)
    measurements.push(...((await benches[name]?.({ isQuick, tell })) ?? []))
  }
  return measurements
}

// Servers of a benchmark end with it; its folder must go as well.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
process.exitCode = await main()

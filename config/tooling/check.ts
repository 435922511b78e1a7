// `npm run check`: format, types, lint, boundaries, dead code. Runs all of them and fails if one does.
import { spawnSync } from 'node:child_process'

const steps: readonly (readonly [string, readonly string[]])[] = [
  ['format', ['biome', 'format', '--config-path=config/tooling', 'src', 'test', 'package.json', 'tsconfig.json']],
  ['types', ['tsc', '--project', 'tsconfig.json']],
  ['lint', ['oxlint', '-c', 'config/tooling/oxlint.json', '--type-aware', 'src', 'test', 'config/tooling']],
  ['boundaries', ['depcruise', '--config', 'config/tooling/dependency-cruiser.mjs', 'src']],
  ['dead code', ['knip', '--config', 'config/tooling/knip.json']],
]

const failed = steps.filter(([name, [command, ...args]]) => {
  console.log(`── ${name}`)
  return spawnSync(command ?? '', args, { stdio: 'inherit' }).status !== 0
})
console.log(failed.length === 0 ? 'check: all is well' : `check: failed: ${failed.map(([name]) => name).join(', ')}`)
process.exitCode = failed.length === 0 ? 0 : 1

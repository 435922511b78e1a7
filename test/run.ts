// The test command: `node test/run.ts [--long] [filter…]`. Brings the packages that real servers and clients need, then
// gives the files to Node's own test runner, whose closing lines are the last on stdout.
// A filter runs the files whose path has it; `--long` runs the files of test/long, which a usual run leaves out.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, glob, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { ensurePackages, SKIPPED_SUITES_VARIABLE } from './support/packages.ts'

const root = dirname(import.meta.dirname)
const LONG_FOLDER = 'test/long/'

/** Two cores are what a small build machine has; tests that measure or saturate run alone, below test/long. */
const CONCURRENCY = 2
/** One test that hangs must not cost the run its report. */
const TEST_TIMEOUT_MS = 240_000
const LONG_TEST_TIMEOUT_MS = 900_000
/** More than these are no accident. */
const MOST_FLAKY_FILES = 8

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { long: { type: 'boolean', default: false } } })
  const files = await testFiles(values.long, positionals)
  if (files.length === 0) {
    process.stderr.write(`no test file matches ${positionals.join(' ')}\n`)
    return 1
  }
  const problem = await ensurePackages()
  if (problem !== undefined) process.stderr.write(`real servers and clients: ${problem}\n`)
  if (problem !== undefined && process.env['CI'] === 'true') return 1

  const folder = await mkdtemp(join(tmpdir(), 'ent-'))
  // Servers that give up root must be able to reach what a test has opened to them.
  await chmod(folder, 0o711)
  try {
    const concurrency = values.long ? 1 : CONCURRENCY
    const exitCode = await runFiles(files, { isLong: values.long, concurrency, folder: join(folder, '1') })
    const isClean = await report(join(folder, '1'))
    if (exitCode === 0) return isClean ? 0 : 1
    return await runFailedAgain(values.long, folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function testFiles(isLong: boolean, filters: readonly string[]): Promise<string[]> {
  const all: string[] = []
  for await (const file of glob('test/**/*.test.ts', { cwd: root })) all.push(file)
  return all
    .filter((file) => file.startsWith(LONG_FOLDER) === isLong)
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
    .toSorted()
}

/**
 * Real servers on a busy machine fail now and then for reasons of their own. What failed runs once more, alone; what passes then is
 * told as flaky and does not fail the run, what fails twice does.
 */
async function runFailedAgain(isLong: boolean, folder: string): Promise<number> {
  const failed = [...new Set((await readFile(failedFile(join(folder, '1')), 'utf8')).split('\n').filter((line) => line !== ''))]
  if (failed.length === 0 || failed.length > MOST_FLAKY_FILES) return 1
  for (const file of failed) process.stderr.write(`FAILED, and runs once more: ${relative(root, file)}\n`)
  const exitCode = await runFiles(failed, { isLong, concurrency: 1, folder: join(folder, '2') })
  if (exitCode === 0) process.stderr.write(`FLAKY: passed only alone: ${failed.map((file) => relative(root, file)).join(', ')}\n`)
  return exitCode
}

interface Run {
  readonly isLong: boolean
  readonly concurrency: number
  /** Made for this run. */
  readonly folder: string
}

/** The exit code of Node's test runner. */
async function runFiles(files: readonly string[], { isLong, concurrency, folder }: Run): Promise<number> {
  const node = nodeProgram()
  const temporary = join(folder, 't')
  await mkdir(temporary, { recursive: true })
  const limits = [`--test-concurrency=${concurrency}`, `--test-timeout=${isLong ? LONG_TEST_TIMEOUT_MS : TEST_TIMEOUT_MS}`]
  const reporters = [
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    `--test-reporter=${join(root, 'test/support/failed-files.mjs')}`,
    `--test-reporter-destination=${failedFile(folder)}`,
  ]
  const child = spawn(node, ['--test', ...limits, ...reporters, ...files], {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      PATH: `${dirname(node)}${delimiter}${process.env['PATH'] ?? ''}`,
      TMPDIR: temporary,
      [SKIPPED_SUITES_VARIABLE]: skippedFile(folder),
    },
  })
  // Ctrl-C reaches the runner through the terminal; it ends its tests and we still clean up after it.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 1
}

/** On stderr, what a reader must not overlook. `false`: tests left files behind, which is a failure. */
async function report(folder: string): Promise<boolean> {
  const skipped = existsSync(skippedFile(folder)) ? await readFile(skippedFile(folder), 'utf8') : ''
  process.stderr.write(skipped)
  const left = await readdir(join(folder, 't'))
  for (const name of left) process.stderr.write(`LEFT BEHIND in the temporary folder: ${name}\n`)
  return left.length === 0
}

function failedFile(folder: string): string {
  return join(folder, 'failed-files')
}

function skippedFile(folder: string): string {
  return join(folder, 'skipped-suites')
}

/** The Node that this project brings along, whichever one started this file. */
function nodeProgram(): string {
  const own = join(root, 'node_modules', '.bin', 'node')
  return existsSync(own) ? own : process.execPath
}

process.exitCode = await main()

#!/usr/bin/env node
// Starts entrepot whatever Node is on the PATH: plain JavaScript that old ones can read, which goes on with the Node that
// came with the package when this one is too old to run TypeScript. What starting costs is decided here, before anything is loaded.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import module from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import v8 from 'node:v8'

const oldestMajor = 24
/** The young generation stays as it is while modules load. */
const heapFlag = '--semi-space-growth-factor=1'
const here = dirname(fileURLToPath(import.meta.url))
const built = join(here, '../../dist/main.js')
const main = existsSync(built) ? built : join(here, '../main.ts')
const self = fileURLToPath(import.meta.url)
const args = [self, ...process.argv.slice(2)]

if (Number(process.versions.node.split('.')[0]) >= oldestMajor) {
  // Workers are started by it, too.
  process.argv[1] = self
  keepStartSmall()
  await import(main)
} else {
  const node = bundledNode()
  if (node === undefined) {
    console.error(
      `entrepot needs Node ${oldestMajor} or newer; this is ${process.version}. Install it, or run "npm ci", which brings one along.`,
    )
    process.exit(1)
  }
  if (typeof process.execve === 'function') process.execve(node, [node, ...args])
  handOver(spawn(node, args, { stdio: 'inherit' }))
}

/**
 * A quarter of what an idle server holds would be left over from its start: garbage, because the young generation grows while
 * modules load, and the compiler that takes the types off. With the compiled code at hand neither is needed. Where nothing can
 * be written, the start is as it would be.
 */
function keepStartSmall() {
  const cache = join(here, '../../node_modules/.cache/entrepot')
  const isFirst = !(existsSync(cache) && readdirSync(cache).some((folder) => folder.startsWith(`${process.version}-`)))
  v8.setFlagsFromString(heapFlag)
  const { status } = module.enableCompileCache(cache)
  if (isFirst && main !== built && status === module.constants.compileCacheStatus.ENABLED) fillCache(cache)
}

/** By a process that ends, once for each Node: a first start, which may last for months, is then as small as all others. */
function fillCache(cache) {
  const script = [
    // Code that was compiled under other flags does not count.
    `(await import('node:v8')).setFlagsFromString('${heapFlag}')`,
    `(await import('node:module')).enableCompileCache(${JSON.stringify(cache)})`,
    ...['../main.ts', 'serve.ts'].map((file) => `await import(${JSON.stringify(new URL(file, import.meta.url))})`),
  ]
  const args = ['--input-type=module', '--eval', script.join(';'), 'entrepot', '--version']
  spawnSync(process.execPath, args, { stdio: 'ignore', timeout: 30_000 })
}

function bundledNode() {
  try {
    const manifest = module.createRequire(import.meta.url).resolve(`node-${process.platform}-${process.arch}/package.json`)
    const node = join(dirname(manifest), 'bin', 'node')
    return existsSync(node) ? node : undefined
  } catch {
    return undefined
  }
}

function handOver(child) {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}

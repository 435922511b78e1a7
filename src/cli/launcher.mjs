#!/usr/bin/env node
// Starts entrepot whatever Node is on the PATH: plain JavaScript that old ones can read, which goes on with the Node that
// came with the package when this one is too old to run TypeScript.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const oldestMajor = 24
const here = dirname(fileURLToPath(import.meta.url))
const built = join(here, '../../dist/main.js')
const main = existsSync(built) ? built : join(here, '../main.ts')
const args = [main, ...process.argv.slice(2)]

if (Number(process.versions.node.split('.')[0]) >= oldestMajor) {
  process.argv.splice(1, 1, main)
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

function bundledNode() {
  try {
    const manifest = createRequire(import.meta.url).resolve(`node-${process.platform}-${process.arch}/package.json`)
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

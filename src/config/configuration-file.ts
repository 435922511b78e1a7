// Which file is the configuration, and its text. The only part of this folder that touches the disk.

import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

import { fileVariable } from './environment.ts'
import type { Environment } from './environment.ts'
import { ConfigError } from './problems.ts'

export interface ConfigurationFile {
  readonly file: string
  readonly text: string
}

/** Docker Hub's mirror, as it comes with the package. */
export const bundledFile = fileURLToPath(new URL('../../config/mirror.yml', import.meta.url))

/** Where the images of distribution 3 and 2 keep theirs. */
export const systemFiles: readonly string[] = ['/etc/distribution/config.yml', '/etc/docker/registry/config.yml']

/**
 * Reads the configuration: `argument`, else the file that REGISTRY_CONFIGURATION_PATH names, else our own for Docker Hub.
 * Whoever asks for one of distribution's usual files gets the other one, or ours, where it is missing: a container image names
 * one of them, and its users may have mounted theirs at either.
 *
 * Throws ConfigError when the file that was asked for, or the one that was found, cannot be read.
 */
export async function readConfigurationFile(
  argument: string | undefined,
  env: Environment,
  usual: readonly string[] = systemFiles,
): Promise<ConfigurationFile> {
  const named = argument ?? (env[fileVariable] === '' ? undefined : env[fileVariable])
  const candidates = named === undefined ? [bundledFile] : usual.includes(named) ? [named, ...usual, bundledFile] : [named]
  for (const candidate of candidates) {
    const found = await findText(candidate)
    if (found !== undefined) return found
  }
  throw new ConfigError([{ where: candidates.join(', '), path: '', message: 'there is no such file' }])
}

async function findText(file: string): Promise<ConfigurationFile | undefined> {
  try {
    return { file, text: await readFile(file, 'utf8') }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    const reason = code === 'EISDIR' ? 'this is a folder' : `cannot be read (${code ?? String(error)})`
    throw new ConfigError([{ where: file, path: '', message: reason }])
  }
}

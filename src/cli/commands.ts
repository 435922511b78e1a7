// The command line: which command, with which configuration file. What serves or opens a store is loaded only when it is asked for, so
// that commands which only ask a running server answer at once.
import { Command, CommanderError } from 'commander'
import { ConfigError } from '../config/load.ts'
import { type CertificateCommandOptions, makeOwnCertificate } from './certificate.ts'
import { printConfig } from './config.ts'
import type { GarbageOptions } from './garbage-collect.ts'
import { addOperatorCommands } from './operator-commands.ts'
import type { VerifyOptions } from './verify.ts'
import { type CommandOptions, version } from './version.ts'

/** Longer than a client waits within one push. */
const defaultGrace = '1h'

/** Runs one command to its end. Resolves with the exit code; what went wrong was printed on stderr. */
export async function run(args: readonly string[]): Promise<number> {
  let exitCode = 0
  const program = new Command('entrepot')
    .description('A pull-through cache mirror of Docker Hub that is also a container registry.')
    .version(`entrepot ${version()}`, '-v, --version')
    .exitOverride()
    .showHelpAfterError('(entrepot --help shows what there is)')
  const command = (name: string, description: string, action: (options: CommandOptions) => Promise<number>, isDefault = false) =>
    program
      .command(`${name} [file]`, { isDefault })
      .description(description)
      .option('--strict', 'refuse keys that are unknown or misplaced, instead of warning', false)
      .action(async (file: string | undefined, options: { strict: boolean }) => {
        exitCode = await action({ file, strict: options.strict })
      })
  const serve = async (options: CommandOptions) => (await import('./serve.ts')).serve(options)
  command('serve', 'serve a configuration file; Docker Hub on port 5000 when none is given', serve, true)
  command('config', 'print the effective configuration without its secrets, and what is odd about it', printConfig)
  program
    .command('garbage-collect [file]')
    .description('delete the blobs that no manifest refers to; also while the server runs')
    .option('-d, --dry-run', 'only say what would be deleted', false)
    .option('-m, --delete-untagged', 'delete manifests without a tag, too, unless a tagged index lists them', false)
    .option('-q, --quiet', 'say nothing but what goes wrong', false)
    .option('--grace <duration>', 'what is younger stays, as somebody may be about to refer to it; 0s when nobody pushes', defaultGrace)
    .option('--strict', 'refuse keys that are unknown or misplaced, instead of warning', false)
    .action(async (file: string | undefined, options: Omit<GarbageOptions, 'file'>) => {
      const { collectGarbage } = await import('./garbage-collect.ts')
      exitCode = await collectGarbage({ ...options, file })
    })
  program
    .command('certificate')
    .description('make a certificate by an authority of your own, and say where each client wants that authority')
    .requiredOption('--host <name...>', 'names and addresses by which clients know the server')
    .option('--out <folder>', 'where the files go', 'certs')
    .option('--days <days>', 'how long it is valid, at most 825', '825')
    .option('--port <port>', "the server's port, for what is printed", '5000')
    .action(async (options: CertificateCommandOptions) => {
      exitCode = await makeOwnCertificate(options)
    })
  addTools(program, (code) => (exitCode = code))
  addOperatorCommands(program, (code) => (exitCode = code))
  try {
    await program.parseAsync([...withCommand(args)], { from: 'user' })
    return exitCode
  } catch (error) {
    return explain(error)
  }
}

/** What looks after the store, beside a running server or without one. */
function addTools(program: Command, ended: (exitCode: number) => void): void {
  const tool = (name: string, description: string) =>
    program
      .command(`${name} [file]`)
      .description(description)
      .option('--json', 'one line of JSON instead of a table', false)
      .option('--strict', 'refuse keys that are unknown or misplaced, instead of warning', false)
  tool('verify', 'read all that is stored and compare it with its digests; also while the server runs')
    .option('--repair', 'put damaged content aside and fetch it again', false)
    .action(async (file: string | undefined, options: Omit<VerifyOptions, 'file'>) => {
      const { verify } = await import('./verify.ts')
      ended(await verify({ ...options, file }))
    })
}

/** As with the official registry image, a lone configuration file means that it is to be served. */
function withCommand(args: readonly string[]): readonly string[] {
  return /\.ya?ml$/.test(args[0] ?? '') ? ['serve', ...args] : args
}

function explain(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode
  if (!(error instanceof ConfigError)) throw error
  process.stderr.write(`${error.message}\n`)
  return 1
}

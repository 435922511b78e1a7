// The commands that ask a running server: status, images, pin, unpin, refresh, evict. Part of commands.ts.
import type { Command } from 'commander'
import { AdminFailure, type AdminOptions } from './admin-client.ts'
import type { EvictOptions } from './evict.ts'
import { evictImage, images, type ImagesOptions, pin, refresh, unpin } from './images.ts'
import { status } from './status.ts'

/** `ended` is told the exit code. What went wrong was printed then. */
export function addOperatorCommands(program: Command, ended: (exitCode: number) => void): void {
  const asking = (name: string, description: string) =>
    program
      .command(name)
      .description(description)
      .option('-c, --config <file>', "the server's configuration file, for its http.debug.addr")
      .option('-a, --address <url>', 'where it is instead, such as http://127.0.0.1:5001')
      .option('--json', 'one line of JSON', false)
  const onImage = (name: string, description: string, act: (image: string, options: AdminOptions) => Promise<number>) =>
    asking(`${name} <image>`, description).action(async (image: string, options: AdminOptions) => {
      ended(await telling(() => act(image, options)))
    })
  asking('status', 'how a running server stands').action(async (options: AdminOptions) => {
    ended(await telling(() => status(options)))
  })
  asking('images', 'the images that are here')
    .option('--search <text>', 'part of the name', '')
    .option('--sort <order>', 'used, oldest or name', 'used')
    .option('--limit <number>', 'how many', '50')
    .action(async (options: ImagesOptions) => {
      ended(await telling(() => images(options)))
    })
  onImage('pin', 'never evict an image, or all that a glob such as team/** means', pin)
  onImage('unpin', 'let it be evicted again', unpin)
  onImage('refresh', 'ask upstream now what a tag points at', refresh)
  asking('evict [what]', 'evict an image; given a configuration file instead, what its limits ask to go')
    .option('-d, --dry-run', 'with a file: only list what would go, and why', false)
    .option('--strict', 'refuse keys that are unknown or misplaced, instead of warning', false)
    .action(async (what: string | undefined, options: Omit<EvictOptions, 'file'> & AdminOptions) => {
      if (what !== undefined && !/\.ya?ml$/.test(what)) return ended(await telling(() => evictImage(what, options)))
      const { evict } = await import('./evict.ts')
      ended(await evict({ ...options, file: what }))
    })
}

async function telling(act: () => Promise<number>): Promise<number> {
  try {
    return await act()
  } catch (error) {
    if (!(error instanceof AdminFailure)) throw error
    process.stderr.write(`${error.message}\n`)
    return 1
  }
}

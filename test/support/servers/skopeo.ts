// skopeo, both as a client of the mirror and as the tool that pushes test images into other people's registries.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { NOWHERE_ELSE, removeServerFolder, serverFolder } from './process.ts'
import { type Finished, runProgram } from './program.ts'
import { writeRegistriesConf } from './registries-conf.ts'

export interface Skopeo extends AsyncDisposable {
  /** Where `dir:` and `oci:` targets can go; removed on dispose. */
  readonly folder: string
  /** Throws when it fails. */
  skopeo(...args: string[]): Promise<Finished>
}

export async function openSkopeo(options: { mirrors?: readonly string[] } = {}): Promise<Skopeo> {
  const folder = await serverFolder('skopeo')
  const configuration = await writeRegistriesConf(folder, options.mirrors ?? [])
  // The command line knows --registries-conf; buildah and podman only know the variable. --tmpdir keeps big layers here.
  const flags = ['--insecure-policy', '--registries-conf', configuration, '--tmpdir', folder]
  const noLogins = join(folder, 'auth.json')
  await writeFile(noLogins, '{}')
  const env = { ...NOWHERE_ELSE, REGISTRY_AUTH_FILE: noLogins }
  return {
    folder,
    skopeo: (...args) => runProgram('skopeo', [...flags, ...args], { env }),
    [Symbol.asyncDispose]: () => removeServerFolder(folder),
  }
}

// The file by which podman, skopeo, buildah and CRI-O know a mirror of Docker Hub.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Writes it into `folder` and returns its path. Mirrors are base URLs; plain HTTP ones become `insecure`. */
export async function writeRegistriesConf(folder: string, mirrors: readonly string[]): Promise<string> {
  const lines = ['unqualified-search-registries = ["docker.io"]', '', '[[registry]]', 'prefix = "docker.io"', 'location = "docker.io"']
  for (const mirror of mirrors) {
    const url = new URL(mirror)
    const location = `${url.host}${url.pathname.replace(/\/$/, '')}`
    lines.push('', '[[registry.mirror]]', `location = "${location}"`, `insecure = ${url.protocol === 'http:'}`)
  }
  const file = join(folder, 'registries.conf')
  await writeFile(file, `${lines.join('\n')}\n`)
  return file
}

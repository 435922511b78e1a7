// The mirror that the suites with real clients pull through: ours. With ENTREPOT_TEST_MIRROR=docker-registry it is Debian's
// docker-registry as a pull-through cache instead, which tells whether a suite that fails asks for something unusual.
import { startDockerRegistry } from './servers/docker-registry.ts'

export interface MirrorUnderTest extends AsyncDisposable {
  readonly url: string
}

export async function startMirror(upstreamUrl: string): Promise<MirrorUnderTest> {
  return startDockerRegistry({ proxy: { remoteUrl: upstreamUrl } })
}

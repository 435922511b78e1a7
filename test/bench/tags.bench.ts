// 1,000 pulls of 20 tags that do not change: what they cost upstream. The Hub counts a GET of a manifest as a pull, and
// limits how often one may ask for tokens.
import pLimit from 'p-limit'
import { startBenchHub } from './hub.ts'
import type { BenchOptions, Measurement } from './measurement.ts'
import { RawClient } from './raw-client.ts'
import { workFolder } from './server-process.ts'
import { startMirror } from './servers.ts'

const bench = 'tags'
const tagsPerImage = 2
const imagesPerRepository = 2
const repositories = 5
const pullsAtOnce = 25
/** Longer than a token of the Hub lives. */
const restSeconds = 400

interface Pullable {
  readonly repository: string
  readonly tag: string
  readonly index: string
  readonly manifest: string
  readonly blobs: readonly string[]
}

export async function tags({ isQuick, tell }: BenchOptions): Promise<Measurement[]> {
  const pulls = isQuick ? 200 : 1000
  await using folder = await workFolder()
  await using hub = await startBenchHub()
  const images: Pullable[] = []
  for (let number = 0; number < repositories * imagesPerRepository; number += 1) {
    const repository = `library/tags${number % repositories}`
    const names = Array.from({ length: tagsPerImage }, (_, index) => `tag-${number}-${index}`)
    const image = await hub.call('addImage', repository, `${bench} ${number}`, names)
    for (const tag of names) images.push({ repository, tag, ...image })
  }
  await using mirror = await startMirror(folder.path, hub.url)
  tell(`${pulls} pulls of ${images.length} tags, the tokens expiring half way`)
  const startedAt = performance.now()
  await pullAll(mirror.port, images, pulls / 2)
  await hub.call('advance', restSeconds)
  await pullAll(mirror.port, images, pulls / 2)
  const seconds = (performance.now() - startedAt) / 1000
  const counts = await hub.call('takeCounts')

  const digests = new Set(images.flatMap(({ index, manifest }) => [index, manifest])).size
  const perScope = Map.groupBy(counts.scopesOfTokens, (scope) => scope)
  const mostTokens = Math.max(...[...perScope.values()].map((requests) => requests.length))
  const what = `${pulls} pulls of ${images.length} unchanged tags`
  return [
    {
      bench,
      what: `${what}: manifest GETs upstream`,
      goal: `${digests}, one per digest`,
      measured: `${counts.manifestGets} (and ${counts.manifestHeads} HEADs, which are free)`,
      isMet: counts.manifestGets === digests,
      numbers: { gets: counts.manifestGets, heads: counts.manifestHeads, digests },
    },
    {
      bench,
      what: `${what}, tokens expiring once: token requests`,
      goal: 'at most one per scope and life of the token: 2 per scope',
      measured: `at most ${mostTokens} for one of ${perScope.size} scopes`,
      isMet: mostTokens <= 2,
      numbers: { tokens: counts.scopesOfTokens.length, scopes: perScope.size, mostOfOneScope: mostTokens },
    },
    { bench, what: `${what}: pace`, measured: `${(pulls / seconds).toFixed(0)} pulls/s`, numbers: { pullsPerSecond: pulls / seconds } },
  ]
}

async function pullAll(port: number, images: readonly Pullable[], pulls: number): Promise<void> {
  const limit = pLimit(pullsAtOnce)
  await Promise.all(Array.from({ length: pulls }, (_, number) => limit(() => pull(port, images[number % images.length]))))
}

/** As Docker does: the tag, the manifest for its platform, then config and layers. */
async function pull(port: number, image: Pullable | undefined): Promise<void> {
  if (image === undefined) throw new Error('there are images')
  const base = `/v2/${image.repository}`
  using client = new RawClient(port)
  const asked = [`manifests/${image.tag}`, `manifests/${image.manifest}`, ...image.blobs.map((digest) => `blobs/${digest}`)]
  const expected = [image.index, image.manifest, ...image.blobs]
  for (const [turn, path] of asked.entries()) {
    const { status, headers } = await client.get(`${base}/${path}`)
    const digest = headers.get('docker-content-digest')
    if (status !== 200 || digest !== expected[turn]) throw new Error(`${base}/${path} was answered ${status} with ${digest}`)
  }
}

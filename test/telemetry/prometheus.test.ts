// The example configuration in a real Prometheus that scrapes a scripted load: its numbers are the stand-in Hub's.
import assert from 'node:assert/strict'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { startScene } from '../scenarios/scene.ts'
import { ociImage } from '../support/images.ts'
import { needsPackages, programPath } from '../support/packages.ts'
import { serverFolder, startServerProcess } from '../support/servers/process.ts'
import { runProgram } from '../support/servers/program.ts'
import { freePort } from '../support/free-port.ts'
import { until } from '../support/until.ts'
import { scrape } from './scrape.ts'

const examples = join(import.meta.dirname, '../../config/examples')
const http = { addr: '127.0.0.1:0', debug: { addr: '127.0.0.1:0', prometheus: { enabled: true } } }
const notifications = { endpoints: [{ name: 'nobody', url: 'http://127.0.0.1:1' }] }

/** The example, for this target and with no waiting. */
async function startPrometheus(debugUrl: string) {
  const folder = await serverFolder('prometheus')
  const text = await readFile(join(examples, 'prometheus.yml'), 'utf8')
  const changed = text.replace('mirror.example.com:5001', new URL(debugUrl).host).replaceAll('15s', '200ms')
  await writeFile(join(folder, 'prometheus.yml'), changed)
  await copyFile(join(examples, 'alerts.yml'), join(folder, 'alerts.yml'))
  const port = await freePort()
  const server = await startServerProcess({
    folder,
    command: programPath('prometheus'),
    args: [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    ready: /Server is ready to receive web requests/,
  })
  const ask = async (path: string) => ((await (await fetch(`http://127.0.0.1:${port}${path}`)).json()) as { data: never }).data
  const query = async (expression: string): Promise<number | undefined> => {
    const { result } = (await ask(`/api/v1/query?query=${encodeURIComponent(expression)}`)) as { result: { value: [number, string] }[] }
    return result[0] === undefined ? undefined : Number(result[0].value[1])
  }
  return { ask, query, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

/** Names of metrics in an expression. */
function namesIn(expression: string): string[] {
  return expression.match(/\b(?:entrepot|registry|nodejs|process)_\w+/g) ?? []
}

describe('Prometheus', await needsPackages('Prometheus', ['prometheus']), () => {
  test('has the numbers of the ledger, and takes the example with its rules', async () => {
    await runProgram('promtool', ['check', 'config', join(examples, 'prometheus.yml')])
    await using scene = await startScene({ config: { http } })
    await using prometheus = await startPrometheus(scene.registry.debugUrl)
    const image = ociImage({ seed: 1, layers: 2, layerBytes: 300_000 })
    scene.hub.add('some', image, { tags: ['1'] })
    let served = 0
    for (let round = 0; round < 5; round += 1) {
      served += (await scene.manifest('library/some', '1')).body.length
      for (const digest of image.blobs.keys()) served += (await scene.blob('library/some', digest)).body.length
    }
    await until('it has scraped the end', async () => (await prometheus.query('sum(entrepot_served_bytes_total)')) === served, 20_000)
    const { hub } = scene
    assert.equal(await prometheus.query('sum(entrepot_upstream_requests_total)'), hub.ledger.length)
    assert.equal(await prometheus.query('sum(entrepot_upstream_requests_total{method="HEAD"})'), hub.count({ method: 'HEAD' }))
    assert.equal(await prometheus.query('sum(entrepot_fetched_bytes_total{kind="blob"})'), hub.bytesSent({ kind: 'cdn' }))
    assert.equal(await prometheus.query('sum(entrepot_pulls_total{kind="manifest"})'), 5)
    const { groups } = (await prometheus.ask('/api/v1/rules')) as { groups: { rules: { name: string; lastError?: string }[] }[] }
    const rules = groups.flatMap((group) => group.rules)
    assert.ok(rules.length > 10)
    assert.deepEqual(
      rules.filter(({ lastError = '' }) => lastError !== ''),
      [],
    )
  })

  test('finds every metric that the dashboard and the alerts speak of', async () => {
    await using registry = await startScene({ config: { http, notifications } })
    const { text } = await scrape(`${registry.registry.debugUrl}/metrics`)
    const known = new Set(Array.from(text.matchAll(/^# TYPE (\w+) (\w+)$/gm), ([, name]) => name))
    const dashboard = await readFile(join(examples, 'grafana-dashboard.json'), 'utf8')
    const alerts = await readFile(join(examples, 'alerts.yml'), 'utf8')
    const used = new Set([...namesIn(dashboard), ...namesIn(alerts)].map((name) => name.replace(/_bucket$/, '')))
    assert.ok(used.size > 20)
    assert.deepEqual(
      [...used].filter((name) => !known.has(name)),
      [],
    )
    assert.ok(JSON.parse(dashboard))
  })
})

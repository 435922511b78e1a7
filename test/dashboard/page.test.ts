// The dashboard in a real browser: what is being fetched, an outage, and what can be done to an image.
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { type Browser, chromium, type Page } from 'playwright-core'
import { ociImage } from '../support/images.ts'
import { needsPackages, programPath } from '../support/packages.ts'
import { type Registry, startRegistry } from '../support/registry.ts'
import { startRedis } from '../support/servers/redis.ts'
import { gate, layerIn, startScene } from '../scenarios/scene.ts'

const config = { http: { addr: '127.0.0.1:0', debug: { addr: '127.0.0.1:0' } } }
const proxy = { libraryprefix: true }
const args = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

interface Opened extends AsyncDisposable {
  readonly page: Page
}

suite('the dashboard', await needsPackages('dashboard', ['chromium', 'redis-server']), () => {
  let browser: Browser
  before(async () => {
    browser = await chromium.launch({ executablePath: programPath('chromium'), args })
  })
  after(() => browser.close())

  /** Whatever is done on it: nothing fails on the page, and nothing comes from elsewhere. */
  async function open({ registry }: { readonly registry: Registry }): Promise<Opened> {
    const page = await browser.newPage()
    page.setDefaultTimeout(15_000)
    const wrong: string[] = []
    page.on('console', (message) => message.type() === 'error' && wrong.push(message.text()))
    page.on('pageerror', (error) => wrong.push(error.message))
    page.on('request', (request) => !request.url().startsWith(registry.debugUrl) && wrong.push(request.url()))
    await page.goto(`${registry.debugUrl}/dashboard`)
    return {
      page,
      async [Symbol.asyncDispose]() {
        await page.close()
        assert.deepEqual(wrong, [])
      },
    }
  }

  test('shows what is being fetched, how far it has come, and who waits for it', async () => {
    await using scene = await startScene({ config, proxy })
    await using opened = await open(scene)
    const { page } = opened
    await page.getByText('Nothing is being fetched.').waitFor()
    const image = ociImage({ seed: 'slow', layerBytes: 1_000_000 })
    const { digest, size } = layerIn(image)
    scene.hub.add('slow', image, { tags: ['1'] })
    const rest = gate()
    scene.hub.script([{ on: { kind: 'cdn', digest }, stallAfterBytes: 600_000, until: rest.opened }])
    await scene.manifest('library/slow', '1')
    const pulls = [scene.blob('library/slow', digest), scene.blob('library/slow', digest)]
    const progress = page.getByRole('progressbar', { name: `library/slow, blob ${digest.slice(7, 19)}` })
    await progress.waitFor()
    await page.getByText(/^600 kB of 1\.0 MB, 5\d %$/).waitFor()
    await page
      .locator('#arrivals')
      .getByText(/●●2 clients$/)
      .waitFor()
    assert.deepEqual(await progress.evaluate(({ value, max }: { value: number; max: number }) => [value, max]), [600_000, size])
    rest.open()
    for (const pull of pulls) assert.equal((await pull).status, 200)
    await page.getByText('Nothing is being fetched.').waitFor()
    await page.getByRole('row', { name: /library\/slow/ }).waitFor()
  })

  test('tells of an outage, and that old answers stand in', async () => {
    await using scene = await startScene({ config, proxy })
    scene.hub.add('some', ociImage({ seed: 'stale' }), { tags: ['1'] })
    await scene.manifest('library/some', '1')
    await using opened = await open(scene)
    const { page } = opened
    await page.getByText('all is well').waitFor()
    scene.hub.script([{ on: { kind: 'manifest' }, status: 503, times: Infinity }])
    for (let pull = 0; pull < 3; pull += 1) assert.equal((await scene.manifest('library/some', '1')).headers['x-cache'], 'stale')
    await page.getByText('upstream is in trouble: what is here is served').waitFor()
    await page.getByText(/^Since \d\d:\d\d \(\d+ s\): 3 stale answers served from here\.$/).waitFor()
    await page.getByText('Upstream answered that it is in trouble itself (5xx). What is here is served.').first().waitFor()
    // Whoever cannot see it hears it.
    await page
      .getByRole('status')
      .getByText(/is in trouble$/)
      .waitFor()
    scene.hub.script([])
  })

  test('finds, pins and evicts an image by click', async () => {
    await using scene = await startScene({ config, proxy })
    const image = ociImage({ seed: 'clicked', layerBytes: 50_000 })
    const layer = layerIn(image).digest
    scene.hub.add('clicked', image, { tags: ['1.2'] })
    scene.hub.add('other', ociImage({ seed: 'other' }), { tags: ['1'] })
    for (const [name, tag] of [
      ['clicked', '1.2'],
      ['other', '1'],
    ] as const)
      await scene.manifest(`library/${name}`, tag)
    await scene.blob('library/clicked', layer)
    await scene.kept('library/clicked', layer)
    await using opened = await open(scene)
    const { page } = opened
    const rows = page.locator('tbody tr')
    await rows.nth(1).waitFor()
    await page.getByRole('searchbox', { name: 'Search by name or tag' }).fill('licked:1')
    await rows.nth(1).waitFor({ state: 'detached' })
    assert.match((await rows.first().textContent()) ?? '', /library\/clicked/)
    await page.getByRole('button', { name: 'Pin library/clicked:1.2' }).click()
    await page.getByRole('button', { name: 'Unpin library/clicked:1.2' }).waitFor()
    await page.getByRole('button', { name: 'library/clicked:1.2', exact: true, expanded: false }).click()
    await page.getByText('1 layer').waitFor()
    // By keyboard, and not by one careless press.
    await page.getByRole('button', { name: 'Evict library/clicked:1.2' }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Keep library/clicked:1.2' }).waitFor()
    await page.keyboard.press('Escape')
    assert.equal((await scene.blob('library/clicked', layer, { method: 'HEAD' })).headers['x-cache'], 'hit')
    await page.getByRole('button', { name: 'Evict library/clicked:1.2' }).click()
    await page.getByRole('button', { name: /^Evict 50\.\d kB library\/clicked:1\.2$/ }).click()
    await page.getByText('library/clicked:1.2 is gone, 50.', { exact: false }).waitFor()
    await page.getByText('No image here has “licked:1” in its name.').waitFor()
    assert.equal((await scene.blob('library/clicked', layer)).headers['x-cache'], 'miss')
  })

  test('of several replicas says which one it is, and leads to the others', async () => {
    await using redis = await startRedis()
    const replica = (advertise: string) =>
      startRegistry({ config: { ...config, redis: { addrs: [redis.addr], readtimeout: '5s' }, cluster: { advertise } } })
    await using one = await replica('http://replica-one:5000')
    await using two = await replica('http://replica-two:5000')
    await using opened = await open({ registry: two })
    const { page } = opened
    await page.getByText(/· on replica-two:5000$/).waitFor()
    assert.equal(await page.getByRole('link', { name: 'replica-one:5000' }).getAttribute('href'), `${one.debugUrl}/dashboard`)
  })

  test('stays on a phone within its width, in the dark, too', async () => {
    await using scene = await startScene({ config, proxy })
    scene.hub.add('team/with-a-rather-long-name/of-an-image', ociImage({ seed: 'long' }), {
      tags: ['a-tag-that-is-long-as-well-2026.11.21'],
    })
    await scene.manifest('team/with-a-rather-long-name/of-an-image', 'a-tag-that-is-long-as-well-2026.11.21')
    await using opened = await open(scene)
    const { page } = opened
    await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' })
    await page.setViewportSize({ width: 360, height: 740 })
    await page.locator('tbody tr').first().waitFor()
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 360)
    assert.equal(await page.evaluate('getComputedStyle(document.documentElement).colorScheme'), 'light dark')
    assert.deepEqual(await page.getByRole('heading', { level: 2 }).allTextContents(), [
      'Arriving',
      'Traffic',
      'Upstream',
      'Space',
      'What went wrong',
      'Images',
    ])
  })
})

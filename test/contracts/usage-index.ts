// What every usage index must do, as a suite.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Root, UsageIndex } from '../../src/mirror/usage-index.ts'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { parseRepositoryName, parseTag, type RepositoryName } from '../../src/oci/names.ts'

const [one, two] = [parseRepositoryName('library/one'), parseRepositoryName('library/two')]
const [latest, old] = [parseTag('latest'), parseTag('old')]
const named = (name: string): Digest => digestOf(Buffer.from(name))

interface Facts {
  readonly repository?: RepositoryName
  readonly size?: number
  readonly usedAt?: number
  readonly references?: readonly string[]
}

function arrival(name: string, { repository = one, size = 10, usedAt = 1000, references }: Facts = {}) {
  return { repository, digest: named(name), size, usedAt, references: references?.map(named) }
}

const removalNames = async (index: UsageIndex, root: Root, imagined = new Map<string, number>()) => {
  const { links, blobs } = await index.removalOf(root, imagined)
  return { links: links.map(({ digest }) => digest).sort(), blobs: blobs.map(({ digest }) => digest).sort() }
}
const sorted = (...names: string[]) => names.map(named).sort()

async function rootNamed(index: UsageIndex, name: string, repository = one): Promise<Root> {
  const root = await index.find(repository, named(name))
  if (root === undefined) throw new Error(`the index does not know ${name}`)
  return root
}

async function oldestDigests(index: UsageIndex): Promise<Digest[]> {
  return (await index.oldest(100)).map(({ digest }) => digest)
}

export function usageIndexContract(name: string, open: () => Promise<UsageIndex>): void {
  describe(`usage index contract: ${name}`, () => {
    it('counts each blob once, and no more when the last repository has lost it', async () => {
      await using index = await open()
      assert.deepEqual(await index.totals(), { bytes: 0, blobs: 0 })
      await index.add([arrival('layer', { size: 7 }), arrival('layer', { size: 7, repository: two }), arrival('config', { size: 5 })])
      assert.deepEqual(await index.totals(), { bytes: 12, blobs: 2 })
      await index.drop(one, named('layer'))
      assert.deepEqual(await index.totals(), { bytes: 12, blobs: 2 })
      await index.drop(two, named('layer'))
      assert.deepEqual(await index.totals(), { bytes: 5, blobs: 1 })
      await index.drop(two, named('layer'))
      await index.add([arrival('config', { size: 6 })])
      assert.deepEqual(await index.totals(), { bytes: 6, blobs: 1 })
    })

    it('what a manifest needs is no root, in whatever order they came', async () => {
      await using index = await open()
      await index.add([
        arrival('early'),
        arrival('manifest', { references: ['early', 'late', 'never'] }),
        arrival('late'),
        arrival('stray'),
      ])
      assert.deepEqual((await oldestDigests(index)).sort(), sorted('manifest', 'stray'))
      await index.add([arrival('late', { repository: two })])
      assert.deepEqual((await index.oldest(100)).filter(({ repository }) => repository === two).length, 1)
      await index.drop(one, named('manifest'))
      assert.deepEqual((await oldestDigests(index)).sort(), [...sorted('early', 'late', 'stray'), named('late')].sort())
    })

    it('answers roots by use, page by page', async () => {
      await using index = await open()
      await index.add(['a', 'b', 'c', 'd'].map((each, at) => arrival(each, { usedAt: 1000 + at })))
      const use = { repository: one, digest: named('a'), tag: undefined }
      assert.deepEqual(await index.use([use], 5000), [])
      assert.deepEqual(await oldestDigests(index), ['b', 'c', 'd', 'a'].map(named))
      await index.use([use], 10)
      await index.add([arrival('a', { usedAt: 20 })])
      assert.equal((await rootNamed(index, 'a')).usedAt, 5000)
      const [first] = await index.oldest(1)
      assert.deepEqual(
        (await index.oldest(2, first?.cursor)).map(({ digest }) => digest),
        ['c', 'd'].map(named),
      )
    })

    it('a use of an index is one of the manifests that it lists, at any depth, and not the other way round', async () => {
      await using index = await open()
      await index.add([
        arrival('outer', { references: ['inner'] }),
        arrival('inner', { references: ['image'] }),
        arrival('image', { references: ['layer'] }),
        arrival('layer'),
        arrival('image', { repository: two, references: ['layer'] }),
      ])
      await index.use([{ repository: one, digest: named('outer'), tag: undefined }], 7000)
      for (const each of ['outer', 'inner', 'image']) assert.equal((await rootNamed(index, each)).usedAt, 7000)
      assert.equal((await rootNamed(index, 'image', two)).usedAt, 1000)
      await index.use([{ repository: one, digest: named('image'), tag: undefined }], 8000)
      assert.deepEqual([(await rootNamed(index, 'image')).usedAt, (await rootNamed(index, 'inner')).usedAt], [8000, 7000])
      const parents = await index.parentsOf(await rootNamed(index, 'image'))
      assert.deepEqual(parents.map(({ digest }) => digest).sort(), sorted('inner', 'outer'))
    })

    it('answers what it does not know', async () => {
      await using index = await open()
      const use = { repository: one, digest: named('unheard'), tag: latest }
      assert.deepEqual(await index.use([use], 1), [use])
      assert.equal(await index.find(one, named('unheard')), undefined)
      assert.equal(await index.findTag(one, latest), undefined)
    })

    it('with a manifest goes what only it needs; shared blobs go with the last that needs them', async () => {
      await using index = await open()
      await index.add([
        arrival('first', { references: ['base', 'own'], usedAt: 1 }),
        arrival('second', { references: ['base'], usedAt: 2 }),
        arrival('base'),
        arrival('own'),
        arrival('base', { repository: two, usedAt: 3 }),
      ])
      const [first, second] = [await rootNamed(index, 'first'), await rootNamed(index, 'second')]
      const base = await rootNamed(index, 'base', two)
      const imagined = new Map<string, number>()
      assert.deepEqual(await removalNames(index, first, imagined), { links: sorted('first', 'own'), blobs: sorted('first', 'own') })
      assert.deepEqual(await removalNames(index, second, imagined), { links: sorted('second', 'base'), blobs: sorted('second') })
      assert.deepEqual(await removalNames(index, base, imagined), { links: sorted('base'), blobs: sorted('base') })
      assert.deepEqual(await removalNames(index, second), { links: sorted('second'), blobs: sorted('second') })
    })

    it('a manifest that an index lists stays when the index goes', async () => {
      await using index = await open()
      await index.add([arrival('index', { references: ['image'] }), arrival('image', { references: [] })])
      assert.deepEqual(await removalNames(index, await rootNamed(index, 'index')), { links: sorted('index'), blobs: sorted('index') })
    })

    it('knows tags: where they point, their last use, and that they go with their manifest', async () => {
      await using index = await open()
      await index.add([arrival('x', { references: ['layer'], size: 3 }), arrival('layer', { size: 4 }), arrival('y', { references: [] })])
      await index.point(one, latest, named('x'), 1000)
      await index.point(one, old, named('x'), 2000)
      assert.deepEqual([...(await rootNamed(index, 'x')).tags].sort(), [latest, old])
      await index.use([{ repository: one, digest: named('x'), tag: latest }], 9000)
      const image = { repository: one, digest: named('x'), bytes: 7 }
      const images = [
        { ...image, tag: latest, usedAt: 9000 },
        { ...image, tag: old, usedAt: 2000 },
        { repository: one, digest: named('y'), bytes: 10, tag: undefined, usedAt: 1000 },
      ]
      assert.deepEqual(await index.images({ limit: 10 }), images)
      assert.deepEqual(await index.images({ limit: 1, offset: 1, search: 'one' }), images.slice(1, 2))
      assert.deepEqual(await index.images({ limit: 10, order: 'oldest' }), images.toReversed())
      assert.deepEqual(await index.images({ limit: 10, search: 'two' }), [])
      await index.point(one, latest, named('y'), 9500)
      assert.equal(await index.findTag(one, latest), named('y'))
      await index.unpoint(one, latest)
      assert.equal(await index.findTag(one, latest), undefined)
      await index.drop(one, named('x'))
      assert.equal(await index.findTag(one, old), undefined)
    })

    it('a rebuild forgets what it did not find, and keeps last uses', async () => {
      await using index = await open()
      assert.equal(await index.isComplete(), false)
      await index.add([arrival('stays', { usedAt: 5000 }), arrival('gone')])
      await index.beginRebuild()
      await index.add([arrival('stays', { usedAt: 1000 }), arrival('new', { usedAt: 2000 })])
      await index.endRebuild()
      assert.equal(await index.isComplete(), true)
      assert.deepEqual(await oldestDigests(index), ['new', 'stays'].map(named))
      assert.deepEqual(await index.repositoriesOf(named('stays')), [one])
      assert.deepEqual(await index.repositoriesOf(named('gone')), [])
    })

    it('keeps pins', async () => {
      await using index = await open()
      for (const pattern of ['library/*', 'library/*', 'a:b']) await index.pin(pattern)
      assert.deepEqual(await index.pins(), ['a:b', 'library/*'])
      assert.equal(await index.unpin('a:b'), true)
      assert.equal(await index.unpin('a:b'), false)
      assert.deepEqual(await index.pins(), ['library/*'])
    })
  })
}

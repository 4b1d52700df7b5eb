/** Sorting through files: as one list would be sorted, whatever fits in memory; nothing is left behind. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { framed, unframed } from '../../src/sorted/frame.ts'
import { inOrder, merge, type Item } from '../../src/sorted/merge.ts'
import { openSorter, sorterLimits } from '../../src/sorted/sorter.ts'
import { scratch } from '../kit/files.ts'

const name = fc.oneof(fc.constantFrom('a', 'b', 'ü/1', '\u{ffff}', '\u{1f600}'), fc.string({ maxLength: 4 }))
const bytes = fc.uint8Array({ maxLength: 40 })
/** As they are written: each revision once. */
const changes: fc.Arbitrary<readonly Item[]> = fc
  .array(fc.tuple(name, fc.option(bytes, { nil: undefined })), { maxLength: 120, size: 'max' })
  .map((all) => all.map(([key, value], at) => ({ key, value, revision: at + 1 })))

const shown = ({ key, revision, value }: Item): unknown =>
  value === undefined ? [key, revision] : [key, revision, ...value]
/** The newest of each key, by key. */
const model = (items: readonly Item[]): readonly Item[] =>
  [
    ...new Map(items.toSorted((a, b) => a.revision - b.revision).map((item) => [item.key, item])).values(),
  ].sort((a, b) => (a.key < b.key ? -1 : 1))
async function* blocks(items: readonly Item[], size: number): AsyncGenerator<readonly Item[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size)
}
const flat = async <T>(row: AsyncIterable<readonly T[]>): Promise<readonly T[]> =>
  (await Array.fromAsync(row)).flat()

t.test('rows are merged into one, with the newest of each key', async (t) => {
  const property = fc.asyncProperty(
    changes,
    fc.array(fc.nat(7)),
    fc.integer({ min: 1, max: 9 }),
    async (items, to, size) => {
      const rows = Array.from({ length: 8 }, (_, row) =>
        inOrder(items.filter((_item, at) => (to[at % Math.max(1, to.length)] ?? 0) === row)),
      )
      const merged = await flat(merge(rows.map((row) => blocks(row, size))))
      t.strictSame(merged.map(shown), model(items).map(shown))
    },
  )
  await fc.assert(property)
})

t.test('items in a file come back from pieces of any size', async (t) => {
  const property = fc.property(changes, fc.integer({ min: 1, max: 60 }), (items, size) => {
    const file = Buffer.concat(items.map(framed))
    const read: Item[] = []
    let rest = Buffer.alloc(0)
    for (let at = 0; at < file.length; at += size) {
      const whole = Buffer.concat([rest, file.subarray(at, at + size)])
      const { items: some, end } = unframed(whole)
      read.push(...some)
      rest = whole.subarray(end)
    }
    t.equal(rest.length, 0)
    t.strictSame(read.map(shown), items.map(shown))
  })
  fc.assert(property)
})

t.test('what does not fit in memory is sorted through few files, twice the same', async (t) => {
  const folder = await scratch(t)
  const property = fc.asyncProperty(changes, fc.integer({ min: 1, max: 40 }), async (items, heldBytesMax) => {
    const sorter = await openSorter(folder, { heldBytesMax, itemBytes: 10, filesMax: 3, readBytes: 8 })
    const files = (): number => readdirSync(join(folder, readdirSync(folder)[0] ?? '')).length
    for (const item of items) {
      await sorter.add(item)
      t.ok(files() <= 2 * 5, `${files()} files`)
    }
    const there = model(items).filter(({ value }) => value !== undefined)
    for (let times = 0; times < 2; times += 1)
      t.strictSame((await flat(await sorter.sorted())).map(shown), there.map(shown))
    // Whoever reads may end early.
    for await (const block of await sorter.sorted()) if (block.length > 0) break
    await sorter.drop()
    t.strictSame(readdirSync(folder), [])
  })
  await fc.assert(property, { numRuns: 40 })
  t.ok(sorterLimits.filesMax * sorterLimits.readBytes < sorterLimits.heldBytesMax, 'reading takes no more')
})

/**
 * A slug is stored while it is packed: whole and under its sum, or not at all.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import t from 'tap'
import { openSlugStore } from '../../actors/effects/perform/slug-store.ts'
import { StoreUnavailable } from '../../src/ports/store.ts'
import { openBlocks } from '../../src/slug/blocks.ts'
import { pack } from '../../src/slug/pack.ts'
import { files, scratch } from '../kit/files.ts'
import { memoryObjects } from '../kit/memory-objects.ts'

const slugObject = (sha256: string): string => `slug/${sha256}`

const tree = async (dir: string): Promise<void> => {
  const big = randomBytes(6_500_000).toString('latin1')
  await files(join(dir, 'app'), { Procfile: 'web: x\n', 'a.bin': big, 'b.bin': big })
}

t.test('what was packed is what is stored, under its sum', async (t) => {
  const dir = await scratch(t)
  await tree(dir)
  const objects = memoryObjects()
  const kept = openSlugStore(objects, slugObject)
  const packed = await pack(dir, { file: join(dir, 'slug'), bytesMax: 1e9, onFrame: kept.write })
  t.equal(await kept.end(), packed.sha256)
  kept.drop()
  t.same([...objects.held.keys()], [slugObject(packed.sha256)])
  t.equal(objects.held.get(slugObject(packed.sha256))?.length, packed.bytes)
})

t.test('of a slug that is given up nothing has a name', async (t) => {
  const dir = await scratch(t)
  await tree(dir)
  const objects = memoryObjects()
  const ended = Promise.withResolvers<void>()
  const put: typeof objects.put = (name, source) => objects.put(name, source).finally(ended.resolve)
  const kept = openSlugStore({ put }, slugObject)
  const { bytes } = await pack(dir, { file: join(dir, 'slug'), bytesMax: 5_000_000, onFrame: kept.write })
  t.ok(bytes > 5_000_000)
  kept.drop()
  await ended.promise
  t.same([...objects.held.keys()], [])
})

t.test('a store that fails ends the packing with its own error', async (t) => {
  const dir = await scratch(t)
  await tree(dir)
  const gone = new StoreUnavailable('slug/', 'no')
  const put = async (_: unknown, source: AsyncIterable<Uint8Array>): Promise<never> => {
    for await (const piece of source) if (piece.length > 0) throw gone
    throw new Error('there was nothing')
  }
  const kept = openSlugStore({ put }, slugObject)
  const packing = pack(dir, { file: join(dir, 'slug'), bytesMax: 1e9, onFrame: kept.write })
  await t.rejects(packing.then(kept.end), gone)
})

t.test('blocks that are given back are used again, and those that are not are left alone', async (t) => {
  const blocks = openBlocks(4)
  const seen: string[] = []
  const memory = new Set<ArrayBufferLike>()
  async function* source(): AsyncGenerator<Uint8Array> {
    const piece = Buffer.alloc(3)
    for (const letter of 'abcdef') yield piece.fill(letter)
  }
  let first: Buffer | undefined
  for await (const block of blocks.of(source())) {
    seen.push(block.toString())
    memory.add(block.buffer)
    if (first === undefined) first = block
    else blocks.done(block)
  }
  t.same(seen, ['aaab', 'bbcc', 'cddd', 'eeef', 'ff'])
  t.equal(first?.toString(), 'aaab')
  t.equal(memory.size, 2)
})

/**
 * Sorts more than fits in memory: what has come is written to a file, sorted, whenever it is as much as may
 * be held, and the files are read together. Of a key that came several times the newest counts; one that is
 * gone is left out.
 *
 * As many files as are read together become one, so that neither they nor what is held of them grow without
 * end.
 */
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { framed, unframed } from './frame.ts'
import { inOrder, merge, type Item, type Row } from './merge.ts'

export type SorterLimits = {
  /** Held until they are written; each takes about so many bytes beside its value. */
  readonly heldBytesMax: number
  readonly itemBytes: number
  /** Files that are read together. */
  readonly filesMax: number
  readonly readBytes: number
}
export const sorterLimits: SorterLimits = {
  heldBytesMax: 24 * 2 ** 20,
  itemBytes: 400,
  filesMax: 32,
  readBytes: 128 * 1024,
}

export type Sorter = {
  /** One after the other. */
  readonly add: (item: Item) => Promise<void> | undefined
  /** All of them, in blocks; as often as it is wanted, and nothing is added after that. */
  readonly sorted: () => Promise<AsyncIterable<readonly (Item & { readonly value: Uint8Array })[]>>
  /** Its files go. */
  readonly drop: () => Promise<void>
}

const writeBytes = 512 * 1024

/** @param folder where its files lie, in a folder of their own */
export const openSorter = async (folder: string, limits = sorterLimits): Promise<Sorter> => {
  const { heldBytesMax, itemBytes, filesMax, readBytes } = limits
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const place = await mkdtemp(join(folder, 'sort-'))
  /** Files by how often they were merged. */
  const levels: string[][] = []
  let count = 0
  let held: Item[] = []
  let heldBytes = 0

  const write = async (row: Row | readonly (readonly Item[])[]): Promise<string> => {
    const file = join(place, String(count))
    count += 1
    const to = await open(file, 'wx', 0o600)
    try {
      let frames: Uint8Array[] = []
      let size = 0
      const flush = async (): Promise<void> => {
        await to.writeFile(Buffer.concat(frames))
        frames = []
        size = 0
      }
      for await (const block of row)
        for (const item of block) {
          const frame = framed(item)
          frames.push(frame)
          size += frame.length
          if (size >= writeBytes) await flush()
        }
      await flush()
    } finally {
      await to.close()
    }
    return file
  }
  const keep = async (file: string, level: number): Promise<void> => {
    const files = (levels[level] ??= [])
    files.push(file)
    if (files.length < filesMax) return
    const merged = await write(mergedOf(files))
    levels[level] = []
    for (const one of files) await rm(one)
    await keep(merged, level + 1)
  }
  const mergedOf = (files: readonly string[]): Row => merge(files.map((file) => read(file, readBytes)))
  const spill = async (): Promise<void> => {
    const items = inOrder(held)
    held = []
    heldBytes = 0
    if (items.length > 0) await keep(await write([items]), 0)
  }

  return {
    add(item) {
      held.push(item)
      heldBytes += itemBytes + (item.value?.length ?? 0)
      return heldBytes < heldBytesMax ? undefined : spill()
    },
    async sorted() {
      await spill()
      return standing(mergedOf(levels.flat()))
    },
    drop: () => rm(place, { recursive: true, force: true }),
  }
}

async function* standing(row: Row) {
  for await (const block of row) {
    const there = block.flatMap(({ key, revision, value }) =>
      value === undefined ? [] : [{ key, revision, value }],
    )
    if (there.length > 0) yield there
  }
}

async function* read(file: string, readBytes: number): AsyncGenerator<readonly Item[]> {
  const from = await open(file, 'r')
  try {
    let rest: Buffer = Buffer.alloc(0)
    for (;;) {
      // What is read before stays as it is: items are parts of it.
      const bytes = Buffer.allocUnsafeSlow(rest.length + Math.max(readBytes, rest.length))
      rest.copy(bytes)
      const { bytesRead } = await from.read(bytes, rest.length)
      if (bytesRead === 0) break
      const whole = bytes.subarray(0, rest.length + bytesRead)
      const { items, end } = unframed(whole)
      rest = whole.subarray(end)
      if (items.length > 0) yield items
    }
    if (rest.length > 0) throw new RangeError(`${file} ends within an item`)
  } finally {
    await from.close()
  }
}

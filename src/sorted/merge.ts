/**
 * Many sorted rows of items into one: in the order of their keys, and of each key the newest alone. Pure, but
 * for waiting for the next block of a row.
 */

/** What stood under a key at that revision; undefined: nothing did any more. */
export type Item = {
  readonly key: string
  readonly revision: number
  readonly value: Uint8Array | undefined
}
/** A row in blocks, none of them empty. */
export type Row = AsyncIterable<readonly Item[]>

const isBefore = (one: Item, other: Item): boolean =>
  one.key === other.key ? one.revision > other.revision : one.key < other.key

/** Sorted, and the newest of each key. */
export const inOrder = (items: readonly Item[]): readonly Item[] =>
  items
    .toSorted((one, other) => (isBefore(one, other) ? -1 : isBefore(other, one) ? 1 : 0))
    .filter((item, at, all) => all[at - 1]?.key !== item.key)

/** What is left of a row: the item that is next, and what comes behind it. */
type Rest = {
  next: Item
  block: readonly Item[]
  at: number
  readonly more: AsyncIterator<readonly Item[]>
}

/** What goes out at a time. */
const blockItems = 256
const blockBytes = 256 * 1024

export async function* merge(rows: readonly Row[]): AsyncGenerator<readonly Item[]> {
  const iterators = rows.map((row) => row[Symbol.asyncIterator]())
  /** A heap: each comes before the two that stand at twice its place and one more, and two more. */
  const heap: Rest[] = []
  try {
    for (const more of iterators) {
      const rest = await opened(more)
      if (rest !== undefined) rise(heap, rest)
    }
    let last: string | undefined
    let block: Item[] = []
    let bytes = 0
    for (let top = heap[0]; top !== undefined; top = heap[0]) {
      if (top.next.key !== last) {
        block.push(top.next)
        last = top.next.key
        bytes += top.next.value?.length ?? 0
      }
      if (block.length === blockItems || bytes >= blockBytes) {
        yield block
        block = []
        bytes = 0
      }
      const isOn = advance(top)
      if (isOn === true || (await isOn)) sink(heap, top)
      else {
        const end = heap.pop()
        if (end !== undefined && end !== top) sink(heap, end)
      }
    }
    if (block.length > 0) yield block
  } finally {
    for (const more of iterators) await more.return?.()
  }
}

const opened = async (more: Rest['more']): Promise<Rest | undefined> => {
  const { value: block } = (await more.next()) as IteratorResult<readonly Item[], undefined>
  const next = block?.[0]
  return block === undefined || next === undefined ? undefined : { next, block, at: 0, more }
}

/** False: it has ended. */
const advance = (rest: Rest): true | Promise<boolean> => {
  rest.at += 1
  const next = rest.block[rest.at]
  if (next === undefined) return turn(rest)
  rest.next = next
  return true
}
const turn = async (rest: Rest): Promise<boolean> => {
  const other = await opened(rest.more)
  if (other !== undefined) Object.assign(rest, other)
  return other !== undefined
}

const rise = (heap: Rest[], rest: Rest): void => {
  let at = heap.length
  for (; at > 0; at = (at - 1) >>> 1) {
    const above = heap[(at - 1) >>> 1]
    if (above === undefined || isBefore(above.next, rest.next)) break
    heap[at] = above
  }
  heap[at] = rest
}

/** From the top down to where it belongs. */
const sink = (heap: Rest[], rest: Rest): void => {
  let at = 0
  for (;;) {
    const [left, right] = [heap[2 * at + 1], heap[2 * at + 2]]
    const isRight = right !== undefined && left !== undefined && isBefore(right.next, left.next)
    const least = isRight ? right : left
    if (least === undefined || isBefore(rest.next, least.next)) break
    heap[at] = least
    at = 2 * at + (isRight ? 2 : 1)
  }
  heap[at] = rest
}

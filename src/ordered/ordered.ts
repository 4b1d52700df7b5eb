/**
 * Ordered indexes on the record: pages of keys that are read in order from anywhere, at the cost of what is
 * read, however many there are. Any process of any host changes them at once, by compare-and-set.
 *
 * A full page is split: its right half is written first, where nobody looks yet; then the page itself, from
 * which moment on the right half counts; then the directory names it. An empty page dies, is passed over by
 * its left neighbour, and goes. Whoever was killed between two of these steps leaves an index that is right,
 * and that the next one who comes there finishes (a B-link tree of two levels).
 */
import { StoreConflict, StoreUnavailable, type Store } from '../ports/store.ts'
import {
  changed,
  endKey,
  firstId,
  halves,
  inside,
  isBeyond,
  named,
  nearest,
  noDirectory,
  noPage,
  unnamed,
  type Change,
  type Directory,
  type Item,
  type Page,
  type Span,
} from './pages.ts'

export type Indexes = {
  /** Durable when it resolves; what stands so already is fine. @throws StoreUnavailable */
  change(index: string, changes: readonly Change[]): Promise<void>
  /** In the order of the span. @throws StoreUnavailable */
  read(index: string, span: Span): Promise<readonly Item[]>
}

type Kept<T> = { readonly value: T; readonly revision: number | undefined }
type Found = Kept<Page> & { readonly id: string; readonly isNamed: boolean }

/** Of a page. */
const itemsMaxDefault = 1_000
/** Each of them loses to somebody who wins. */
const triesMax = 200
/** Some five million keys. */
const pagesMax = 10_000
/** More pages to the right than are not named yet: names that are remembered are old. */
const stepsMax = 2
/** Names of pages that are remembered, of all indexes. */
const namesRememberedMax = 200_000

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const textOf = (value: Page | Directory): string => JSON.stringify(value)

/** @param kind what the keys of the record begin with, before the name of the index */
export const openIndexes = (store: Store, kind: string, itemsMax = itemsMaxDefault): Indexes => {
  const directories = new Map<string, Directory>()
  let remembered = 0

  const forget = (index: string): void => {
    remembered -= directories.get(index)?.length ?? 0
    directories.delete(index)
  }
  const remember = (index: string, directory: Directory): void => {
    forget(index)
    directories.set(index, directory)
    remembered += directory.length
    for (const oldest of directories.keys()) {
      if (remembered <= namesRememberedMax || oldest === index) return
      forget(oldest)
    }
  }

  const load = async <T extends Page | Directory>(key: string, none: T): Promise<Kept<T>> => {
    const entry = await store.get(key)
    if (entry === undefined) return { value: none, revision: undefined }
    return { value: JSON.parse(decoder.decode(entry.value)) as T, revision: entry.revision }
  }
  const save = (key: string, value: Page | Directory, revision: number | undefined): Promise<number> => {
    const bytes = encoder.encode(textOf(value))
    return revision === undefined ? store.create(key, bytes) : store.update(key, bytes, revision)
  }
  /** False: somebody was first. */
  const saves = (key: string, value: Page | Directory, revision: number | undefined): Promise<boolean> =>
    save(key, value, revision).then(() => true, ifConflict)

  const keyOf = (index: string, name: string): string => `${kind}/${index}/${name}`
  const pageKey = (index: string, id: string): string => keyOf(index, `page-${id}`)
  const directoryKey = (index: string): string => keyOf(index, 'directory')

  const readPage = async (index: string, id: string): Promise<Kept<Page> | undefined> => {
    const found = await load(pageKey(index, id), noPage)
    return found.revision === undefined && id !== firstId ? undefined : found
  }
  const readDirectory = async (index: string): Promise<Directory> => {
    const { value } = await load(directoryKey(index), noDirectory)
    remember(index, value)
    return value
  }
  const changeDirectory = async (index: string, change: (before: Directory) => Directory): Promise<void> => {
    for (let tries = 0; tries < triesMax; tries += 1) {
      const { value, revision } = await load(directoryKey(index), noDirectory)
      const after = change(value)
      if (after === value || (await saves(directoryKey(index), after, revision)))
        return remember(index, after)
    }
    throw tooBusy(index)
  }

  /** The page that a key belongs to, or the keys right before it. Ends what others left half done. */
  const find = async (index: string, key: string, isBefore = false): Promise<Found> => {
    for (let tries = 0; tries < triesMax; tries += 1) {
      const directory = (tries === 0 ? directories.get(index) : undefined) ?? (await readDirectory(index))
      const found = await walk(index, directory, key, isBefore, tries > 0)
      if (found !== undefined) return found
    }
    throw tooBusy(index)
  }
  /** Undefined: begin again. @param isFresh the directory was read just now */
  const walk = async (
    index: string,
    directory: Directory,
    key: string,
    isBefore: boolean,
    isFresh: boolean,
  ): Promise<Found | undefined> => {
    const [, first] = directory[Math.max(0, nearest(directory, key, isBefore))] ?? noDirectory[0]!
    let id = first
    for (let steps = isFresh ? -Infinity : 0; steps <= stepsMax; steps += 1) {
      const page = await readPage(index, id)
      if (page === undefined) {
        // A name that came too late, of a page that went.
        if (isFresh && id === first) await changeDirectory(index, (before) => unnamed(before, first))
        return undefined
      }
      if (page.value.dead === true) {
        await bury(index, id, page)
        return undefined
      }
      // Another page of that name: the record was restored.
      if (isBefore ? page.value.low >= key : page.value.low > key) return undefined
      if (!isBeyond(page.value, key, isBefore)) return { ...page, id, isNamed: id === first }
      id = page.value.right ?? firstId
    }
    return undefined
  }

  /** Its left neighbour passes it over; then it goes. */
  const bury = async (index: string, id: string, { value: dead, revision }: Kept<Page>): Promise<void> => {
    for (;;) {
      const left = await find(index, dead.low, true)
      if (left.value.right !== id) break
      const over = { ...left.value, high: dead.high, right: dead.right }
      if (await saves(pageKey(index, left.id), over, left.revision)) break
    }
    await changeDirectory(index, (before) => unnamed(before, id))
    await store.remove(pageKey(index, id), revision).catch(ifConflict)
  }

  /** The right half stands where nobody looks until the page itself is changed. */
  const split = async (index: string, page: Found, items: readonly Item[]): Promise<boolean> => {
    const { length } = directories.get(index) ?? (await readDirectory(index))
    if (length >= pagesMax) throw new RangeError(`${index} has as many pages as there may be`)
    const [stay, go] = halves(page.value, items, itemsMax)
    const low = go[0]?.[0] ?? endKey
    const { high, right } = page.value
    const made = await makePage(index, page.revision ?? 0, { low, high, right, items: go })
    const after = { ...page.value, high: low, right: made, items: stay }
    if (await saves(pageKey(index, page.id), after, page.revision)) {
      await changeDirectory(index, (before) => named(before, low, made))
      return true
    }
    // Nobody else knows of it.
    await store.remove(pageKey(index, made))
    return false
  }
  /** Named for the revision that is split: no page has that name yet, but in a record that was restored. */
  const makePage = async (index: string, revision: number, page: Page): Promise<string> => {
    for (let number = 0; ; number += 1) {
      const id = number === 0 ? String(revision) : `${revision}-${number}`
      if (id === firstId) continue
      if (await saves(pageKey(index, id), page, undefined)) return id
    }
  }

  /** As many of the changes, which are in the order of their keys, as one page takes. @returns how many */
  const changePage = async (index: string, changes: readonly Change[]): Promise<number> => {
    for (let tries = 0; tries < triesMax; tries += 1) {
      const page = await find(index, changes[0]?.key ?? '')
      const { value, revision, id } = page
      const beyond = changes.findIndex(({ key }) => isBeyond(value, key, false))
      const own = changes.slice(0, Math.min(itemsMax, beyond < 0 ? changes.length : beyond))
      if (!page.isNamed) await changeDirectory(index, (before) => named(before, value.low, id))
      const items = changed(value.items, own)
      if (items === value.items) return own.length
      const isEmpty = items.length === 0 && id !== firstId
      if (items.length > itemsMax) {
        if (await split(index, page, items)) return own.length
      } else if (await saves(pageKey(index, id), { ...value, items, ...(isEmpty && dead) }, revision)) {
        // What is left to do with it is done by whoever comes by.
        if (isEmpty) await find(index, value.low)
        return own.length
      }
    }
    throw tooBusy(index)
  }

  const changeAll = async (index: string, changes: readonly Change[]): Promise<void> => {
    const sorted = changes.toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    for (let at = 0; at < sorted.length;) at += await changePage(index, sorted.slice(at, at + itemsMax))
  }

  return {
    change: gathered(changeAll),
    async read(index, span) {
      const { descending, max, to } = span
      const found: Item[] = []
      let key = descending && span.from === '' ? endKey : span.from
      for (let isBefore = false; ; isBefore = descending) {
        const { value } = await find(index, key, isBefore)
        for (const item of inside(value, span)) if (found.length < max) found.push(item)
        const next = descending ? value.low : value.high
        const isLast = next === null || next === ''
        if (isLast || found.length >= max || (to !== '' && (descending ? next <= to : next > to)))
          return found
        key = next
      }
    },
  }
}

const dead = { dead: true } as const

const ifConflict = (error: unknown): false => {
  if (error instanceof StoreConflict) return false
  throw error
}
const tooBusy = (index: string): StoreUnavailable =>
  new StoreUnavailable(`${index} is changed by too many at once`, 'unknown')

type Waiting = {
  readonly changes: readonly Change[]
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** One after the other for each index, and together what came meanwhile: they would only conflict. */
const gathered = (
  change: (index: string, changes: readonly Change[]) => Promise<void>,
): Indexes['change'] => {
  const waiting = new Map<string, Waiting[]>()
  const run = async (index: string, queue: Waiting[]): Promise<void> => {
    while (queue.length > 0) {
      const some = queue.splice(0)
      await change(
        index,
        some.flatMap(({ changes }) => changes),
      ).then(
        () => some.forEach(({ resolve }) => resolve()),
        (error: unknown) => some.forEach(({ reject }) => reject(error)),
      )
    }
    waiting.delete(index)
  }
  return (index, changes) =>
    new Promise((resolve, reject) => {
      const queue = waiting.get(index)
      const own = { changes, resolve, reject }
      if (queue !== undefined) queue.push(own)
      else {
        const begun = [own]
        waiting.set(index, begun)
        void run(index, begun)
      }
    })
}

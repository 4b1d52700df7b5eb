/**
 * Pages of an ordered index. Pure.
 *
 * Items stand in pages in the order of their keys, each page between two bounds; a page knows the one to its
 * right. The directory names them all, and may be behind: what it does not name is found by going right.
 */

/** A key, and what it leads to. */
export type Item = readonly [key: string, value: string]

/** The last of several for a key counts. Only what stands for that value is removed. */
export type Change = { readonly key: string; readonly value: string; readonly removed?: true }

export type Page = {
  /** The first key that belongs here. */
  readonly low: string
  /** The first key that belongs to the page on the right; null: there is none. */
  readonly high: string | null
  readonly right: string | null
  readonly items: readonly Item[]
  /** Empty for good: it is being taken out from between its neighbours, and nobody changes it any more. */
  readonly dead?: true
}

/** Pages by their lowest keys, in order. */
export type Directory = readonly (readonly [low: string, id: string])[]

/** What is read is in order, from `from` up, or down when it is `descending`. */
export type Span = {
  /** Empty: no bound on this side. */
  readonly from: string
  readonly fromExclusive: boolean
  readonly to: string
  readonly toExclusive: boolean
  readonly descending: boolean
  readonly max: number
}

export const wholeSpan: Omit<Span, 'max'> = {
  from: '',
  fromExclusive: false,
  to: '',
  toExclusive: false,
  descending: false,
}
export const firstId = '0'
export const noPage: Page = { low: '', high: null, right: null, items: [] }
export const noDirectory: Directory = [['', firstId]]
/** Behind every key. */
export const endKey = '\u{ffff}'

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** The first place whose key is not below. */
const placeOf = (items: readonly (readonly [string, string])[], key: string): number => {
  let [low, high] = [0, items.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((items[middle] as Item)[0] < key) low = middle + 1
    else high = middle
  }
  return low
}

/** Where the page is named that a key belongs to, or the keys right before it; -1: before the first. */
export const nearest = (directory: Directory, key: string, isBefore: boolean): number => {
  const at = placeOf(directory, key)
  return !isBefore && directory[at]?.[0] === key ? at : at - 1
}

/** Whether a key lies beyond a page, or the keys right before it do. */
export const isBeyond = ({ high }: Page, key: string, isBefore: boolean): boolean =>
  high !== null && (isBefore ? high < key : high <= key)

/** The same array when nothing is different. */
export const changed = (items: readonly Item[], changes: readonly Change[]): readonly Item[] => {
  const after = new Map(items)
  let isSame = true
  for (const { key, value, removed } of changes) {
    const found = after.get(key)
    if (removed === true ? found !== value : found === value) continue
    isSame = false
    if (removed === true) after.delete(key)
    else after.set(key, value)
  }
  return isSame ? items : [...after].sort((a, b) => compare(a[0], b[0]))
}

/** What stays, and what goes to a page on the right. At the end of all it is full pages that stay. */
export const halves = (
  page: Page,
  items: readonly Item[],
  itemsMax: number,
): readonly [readonly Item[], readonly Item[]] => {
  const isAppended = page.high === null && items[page.items.length - 1]?.[0] === page.items.at(-1)?.[0]
  const at = isAppended ? itemsMax : items.length >>> 1
  return [items.slice(0, at), items.slice(at)]
}

/** Named there; the same when it is. */
export const named = (directory: Directory, low: string, id: string): Directory => {
  const at = placeOf(directory, low)
  if (directory[at]?.[0] === low) return directory[at][1] === id ? directory : directory.with(at, [low, id])
  return directory.toSpliced(at, 0, [low, id])
}

export const unnamed = (directory: Directory, id: string): Directory => {
  const left = directory.filter(([, one]) => one !== id)
  return left.length === directory.length ? directory : left
}

/** Those of a page that a span takes, in its order. */
export const inside = ({ items }: Page, span: Span): readonly Item[] => {
  const { from, fromExclusive, to, toExclusive, descending } = span
  const lower = descending ? { key: to, open: toExclusive } : { key: from, open: fromExclusive }
  const upper = descending ? { key: from, open: fromExclusive } : { key: to, open: toExclusive }
  const begin = beyond(items, lower.key, lower.open)
  const end = upper.key === '' ? items.length : beyond(items, upper.key, !upper.open)
  const taken = items.slice(begin, end)
  return descending ? taken.reverse() : taken
}

/** The first place behind that key, or at it. */
const beyond = (items: readonly Item[], key: string, isBehind: boolean): number => {
  const at = placeOf(items, key)
  return isBehind && items[at]?.[0] === key ? at + 1 : at
}

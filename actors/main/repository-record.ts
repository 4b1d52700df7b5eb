/**
 * The record of an app's repository, under `repository/<app>`: where its refs stand, and which packs hold
 * what they reach. Changed by compare-and-set, so of two pushes through two hosts one is told that it lost.
 */
import { checker, is, type Static } from '../../src/runtime/index.ts'

const packShape = is.obj({
  /** Its object in the store. */
  name: is.str,
  bytes: is.int,
  /** What it holds all of, with the packs before it. */
  tips: is.arr(is.str),
})
const recordShape = is.obj({
  head: is.oneOf('main', 'master'),
  /** Ids by full name. */
  refs: is.map(is.str),
  /** In the order in which they lean on each other. */
  packs: is.arr(packShape),
})
export type PackRow = Static<typeof packShape>
export type RepositoryRecord = Static<typeof recordShape>

/** What one record of the store holds with ease. */
export const refsMax = 4_000
/** More are made one; until then a host that takes over a repository reads so many objects. */
export const packsMax = 8

export const noRepository: RepositoryRecord = { head: 'main', refs: {}, packs: [] }

export const recordKey = (appId: string): string => `repository/${appId}`
export const packPrefix = (appId: string): string => `repository/${appId}/`

const misfit = checker(recordShape)
const encoder = new TextEncoder()
const decoder = new TextDecoder()

export const encodeRepository = (record: RepositoryRecord): Uint8Array =>
  encoder.encode(JSON.stringify(record))

/** @throws SyntaxError or RangeError when it is none */
export const decodeRepository = (value: Uint8Array): RepositoryRecord => {
  const record: unknown = JSON.parse(decoder.decode(value))
  const fault = misfit(record)
  if (fault !== undefined) throw new RangeError(`a repository's ${fault.path} ${fault.want}`)
  return record as RepositoryRecord
}

/** Every id whose objects its packs hold. */
export const tipsOf = (packs: readonly PackRow[]): string[] => [...new Set(packs.flatMap(({ tips }) => tips))]

/** Ids at which refs stand. */
export const idsOf = ({ refs }: RepositoryRecord): string[] => [...new Set(Object.values(refs))]

/** Ids at which refs stand that no pack is known to hold. */
export const unpacked = (record: RepositoryRecord): string[] => {
  const held = new Set(tipsOf(record.packs))
  return idsOf(record).filter((id) => !held.has(id))
}

/**
 * The first of the packs that are to be made one with all that follow; undefined: there are few enough. One
 * that is more than twice as large as all that follow it stays as it is: each byte is packed again only as
 * often as its pack has grown twofold.
 */
export const mergeFrom = (packs: readonly PackRow[]): number | undefined => {
  if (packs.length <= packsMax) return undefined
  let from = packs.length - 2
  let bytes = packs[from]!.bytes + packs[from + 1]!.bytes
  while (from > 0 && (packs[from - 1]!.bytes <= 2 * bytes || from >= packsMax / 2)) {
    from -= 1
    bytes += packs[from]!.bytes
  }
  return from
}

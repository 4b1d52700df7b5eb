/**
 * How a shard's table follows the record. Announcements are the quick way and may be lost; the record's own
 * order of changes is the sure one: after each gap, and from time to time, what was written since is read,
 * and nothing else.
 *
 * A server that was started anew may have an older record under numbers that have been used before. After
 * that no position can be trusted, and each cached route is asked for again.
 */
import type { Feed } from '../../src/ports/feed.ts'
import type { Route } from '../protocols/shapes.ts'
import type { RouteTable } from './route-table.ts'

export type ResyncDeps = {
  readonly table: Pick<RouteTable, 'update' | 'gap' | 'confirm'>
  readonly feed: Omit<Feed, 'count'>
  /** Where the records are that routes follow from, and where an app's is. */
  readonly prefix: string
  readonly keyOf: (appId: string) => string
  /** The route of a record; `value` undefined: it was removed. Undefined: it cannot be read. */
  readonly routeOf: (key: string, value: Uint8Array | undefined) => Route | undefined
}

export type Resync = {
  /** Reads what was written since the last time. Rejects when the record is away; the next one goes on. */
  follow(): Promise<void>
  /** Everything known may be old: the next `follow` asks for all of it. */
  distrust(): void
}

export const createResync = ({ table, feed, prefix, keyOf, routeOf }: ResyncDeps): Resync => {
  /** Everything up to here is known; undefined: nothing was read yet. */
  let position: number | undefined
  let isTrusted = true
  let running: Promise<void> | undefined

  const distrust = (): void => {
    isTrusted = false
    table.gap()
  }
  const standing = async (appIds: readonly string[]): Promise<readonly Route[]> =>
    (await feed.standing(appIds.map(keyOf))).flatMap(({ key, value }) => routeOf(key, value) ?? [])

  const step = async (): Promise<void> => {
    const newest = await feed.position()
    // A table that has just begun knows nothing that could be old.
    position ??= newest
    if (newest < position) {
      position = newest
      distrust()
    }
    for await (const { key, revision, value } of feed.since(prefix, position)) {
      const route = routeOf(key, value)
      if (route !== undefined) table.update(route)
      position = revision
    }
    position = Math.max(position, newest)
    if (isTrusted) return
    isTrusted = true
    try {
      await table.confirm(standing)
    } catch (error) {
      isTrusted = false
      throw error
    }
  }

  return {
    follow: () => {
      running ??= step().finally(() => {
        running = undefined
      })
      return running
    },
    distrust,
  }
}

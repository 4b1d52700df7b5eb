/** Routes as the record has them: what a shard reads without asking anybody's actor. */
import type { Entry, Store } from '../../../src/ports/store.ts'
import { ActError } from '../../../src/runtime/errors.ts'
import { recordKey, unescapeName } from '../../../src/runtime/record.ts'
import { formationFormat } from '../../formation/kept.ts'
import type { Formed } from '../../formation/record.ts'
import { routeOf } from '../../formation/route.ts'
import type { Route } from '../../protocols/shapes.ts'

/** Where formations' records are, and where an app's is. */
export const formationPrefix = 'actor/formation/'
export const formationKey = (appId: string): string => recordKey('formation', appId)

/**
 * The route of one record; `value` undefined: it was removed, and so is the app, whatever was known of it.
 * @returns undefined when it cannot be read: it is of a newer build
 */
export const routeOfRecord = (key: string, value: Uint8Array | undefined): Route | undefined => {
  const appId = unescapeName(key.slice(formationPrefix.length))
  if (value === undefined) return { ...nothing, appId }
  try {
    return routeOf(appId, formationFormat.decode(value, key).state as Formed)
  } catch (error) {
    if (error instanceof ActError) return undefined
    throw error
  }
}

/** Newer than any: versions follow the wall clock. */
const nothing: Route = {
  appId: '',
  appName: '',
  version: Number.MAX_SAFE_INTEGER,
  maintenance: false,
  gone: true,
  hostnames: [],
  web: 'none',
  targets: [],
}

/**
 * The route of an app from the nearest copy of the record, or through its leader when that copy says less
 * than `versionMin`. Undefined: no such app. Throws StoreUnavailable.
 */
export const recordedRoute = async (
  store: Store,
  appId: string,
  versionMin: number,
): Promise<Route | undefined> => {
  const key = formationKey(appId)
  const read = (entry: Entry | undefined) => entry && routeOfRecord(key, entry.value)
  const near = read(await store.peek(key))
  if (near !== undefined && near.version >= versionMin) return near
  return read(await store.get(key))
}

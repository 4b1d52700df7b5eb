/** The record of a build, as its host writes it and every host reads it: JSON of `buildShape`. Pure. */
import { checker } from '../../src/runtime/index.ts'
import { buildShape, pendingMsMax, type BuildView } from './build.ts'

const decoder = new TextDecoder()
const check = checker(buildShape)

/** Its value changes with each purge of the app's build cache. */
export const purgeKey = (appId: string): string => `build-cache/${appId}`

export const buildKey = (appId: string, buildId: string): string => `builds/${appId}/${buildId}`

/** One as it is on record; undefined when that is none (any more). */
export const buildIn = (value: Uint8Array): BuildView | undefined => {
  const view = parseJson(decoder.decode(value))
  return check(view) === undefined ? (view as BuildView) : undefined
}

/** Pending for too long, or on a host that is gone. */
export const isLost = (
  { status, createdAt, host }: BuildView,
  now: number,
  isGone: (host: string) => boolean,
): boolean => status === 'pending' && (now - createdAt > pendingMsMax || (host !== undefined && isGone(host)))

/** Undefined for what is no JSON: half a file after a power cut, or an older form. */
export const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/**
 * What a process' lines of an app are called: a name, and a number for each, which go on when the app was
 * silent meanwhile. A history remembers a bounded number of names.
 */

export type Numbers = {
  readonly source: string
  /** Of the next line. */
  next: number
}

export type Numbering = {
  /** Those that the app had, or new ones under a new name. They are the caller's until it gives them back. */
  take(appId: string): Numbers
  giveBack(appId: string, numbers: Numbers): void
}

const silentMax = 10_000
/** Far less than a history is kept. */
const silentMsMax = 3_600_000

/** @param source names this process' life */
export const createNumbering = (source: string, nowMs: () => number): Numbering => {
  const silent = new Map<string, { readonly numbers: Numbers; readonly sinceMs: number }>()
  let namesGiven = 0
  return {
    take(appId) {
      const found = silent.get(appId)
      silent.delete(appId)
      const isFresh = found !== undefined && nowMs() - found.sinceMs < silentMsMax
      return isFresh ? found.numbers : { source: `${source}.${namesGiven++}`, next: 0 }
    },
    giveBack(appId, numbers) {
      silent.set(appId, { numbers, sinceMs: nowMs() })
      const [oldest] = silent.keys()
      if (silent.size > silentMax && oldest !== undefined) silent.delete(oldest)
    },
  }
}

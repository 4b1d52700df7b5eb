/** A trail in memory: what ports/trail.ts promises, for tests that need no server. */
import { StoreUnavailable } from '../../src/ports/store.ts'
import type { Step, Trail } from '../../src/ports/trail.ts'

export type MemoryTrail = Trail & {
  /** Nothing can be written. */
  away: boolean
}

export const memoryTrail = (): MemoryTrail => {
  const steps: (Step & { readonly key: string })[] = []
  const ids = new Map<string, Step>()
  return {
    away: false,
    async add(key, bytes) {
      if (this.away) throw new StoreUnavailable('the trail is away', 'no')
      return steps.push({ key, sequence: steps.length + 1, bytes })
    },
    async addOnce(key, bytes, id) {
      const known = ids.get(id)
      if (known !== undefined) return known
      ids.set(id, { sequence: await this.add(key, bytes), bytes })
      return undefined
    },
    read: async ({ key, before = Number.POSITIVE_INFINITY, max }) =>
      steps.filter((one) => (key === undefined || one.key === key) && one.sequence < before).slice(-max),
  }
}

/** Performs the census effects over the store: the formations' own records are the list. */
import type { Effects } from '../../../src/ports/effects.ts'
import type { Store } from '../../../src/ports/store.ts'
import { asEffectFailure } from './names.ts'

const prefix = 'actor/formation/'

export const performCensus = (store: Store): Effects => ({
  'census.formations': async () => {
    try {
      const entries = await store.list(prefix)
      return { appIds: entries.map((entry) => entry.key.slice(prefix.length)).sort() }
    } catch (error) {
      throw asEffectFailure(error)
    }
  },
})

/** Teams as they are on record, for those who must know now who is in one: none is woken. */
import type { Store } from '../../../src/ports/store.ts'
import { recordKey } from '../../../src/runtime/record.ts'
import type { TeamView } from '../../protocols/team.ts'
import { teamFormat } from '../../team/kept.ts'
import type { TeamRecord } from '../../team/record.ts'
import { holderOf } from './names.ts'

export type Teams = {
  /** Undefined: there is none, or it is not there yet, or not any more. @throws StoreUnavailable */
  readonly view: (id: string) => Promise<TeamView | undefined>
  /** Whom a name leads to. @throws StoreUnavailable */
  readonly idOf: (name: string) => Promise<string | undefined>
}

export const openTeams = (store: Store): Teams => ({
  async view(id) {
    const key = recordKey('team', id)
    const entry = await store.get(key)
    if (entry === undefined) return undefined
    const { team, phase } = teamFormat.decode(entry.value, key).state as TeamRecord
    return phase === 'live' || phase === 'destroying' ? team : undefined
  },
  idOf: async (name) => (await holderOf(store, 'team', name))?.appId,
})

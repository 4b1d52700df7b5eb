/** Which apps there are to speak to, for a host that has just come up. */
import { effect } from '../../src/runtime/index.ts'

export const Census = {
  /** Ids of every app that has a formation on record. */
  formations: effect<Record<string, never>, { appIds: string[] }>('census.formations'),
}

/** Who may use which apps, by user: what lists of apps are made of. The app's own record decides. */
import { effect } from '../../src/runtime/index.ts'

/** Lists by user, beside that of what they own or may use by themselves, which has their id. */

/** The apps of teams that they may use by what they were given there. A team's own list has the team's id. */
export const sharedOf = (userId: string): string => `shared-${userId}`
/** The teams that they are of. */
export const teamsOf = (userId: string): string => `teams-${userId}`

export const Access = {
  /** The app is in the list of each of `users`, under its name, and in that of none of `former`. */
  show: effect<
    {
      appId: string
      name: string
      /** Of a transfer that is pending; null: of none any more; undefined: there never was one. */
      offer: string | null | undefined
      users: readonly string[]
      former: readonly string[]
    },
    void
  >('access.show'),
  /** Whether any app or pipeline is that one's. */
  owns: effect<{ owner: string }, boolean>('access.owns'),
}

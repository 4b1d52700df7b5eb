/** Who may use which apps, by user: what lists of apps are made of. The app's own record decides. */
import { effect } from '../../src/runtime/index.ts'

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
}

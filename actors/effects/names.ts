/** Names that lead to an app, and tokens that do: unique because the store's `create` is. */
import { effect } from '../../src/runtime/index.ts'

export type NameKind = 'app' | 'host' | 'token'
export const Names = {
  /** Fails with `taken` when another app holds it; claiming one's own again is fine. */
  claim: effect<{ kind: NameKind; name: string; appId: string }, void>('names.claim'),
  /** Gives it back if this app holds it. */
  release: effect<{ kind: NameKind; name: string; appId: string }, void>('names.release'),
}

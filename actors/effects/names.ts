/** Names of apps, pipelines and teams, and tokens: unique because the store's `create` is. */
import { effect } from '../../src/runtime/index.ts'

/** A pipeline's is `<its owner's id>/<name>`, and its holder the pipeline. */
export type NameKind = 'app' | 'host' | 'token' | 'pipeline' | 'team'
export const Names = {
  /** Fails with `taken` when another app holds it; claiming one's own again is fine. */
  claim: effect<{ kind: NameKind; name: string; appId: string }, void>('names.claim'),
  /** Gives it back if this app holds it. */
  release: effect<{ kind: NameKind; name: string; appId: string }, void>('names.release'),
}

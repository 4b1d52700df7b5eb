/**
 * Config vars, sealed at rest: an immutable encrypted record for each set of vars, named by a keyed hash of
 * its content.
 */
import { effect } from '../../src/runtime/index.ts'
import type { Pages } from '../protocols/shapes.ts'

export const Vault = {
  /**
   * Applies the patch to the vars of `baseId` (`''`: none) and seals the result.
   * Fails with `invalid_params` and Heroku's text for a bad key or too much data.
   */
  seal: effect<
    { appId: string; baseId: string; patch: Readonly<Record<string, string | null>> },
    { configId: string; changed: boolean; set: string[]; removed: string[]; pages: Pages }
  >('vault.seal'),
  /** Forgets every sealed record of an app. */
  drop: effect<{ appId: string }, void>('vault.drop'),
}

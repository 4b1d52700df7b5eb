/** Certificates of apps and their keys, sealed at rest: an immutable record for each pair. */
import { effect } from '../../src/runtime/index.ts'

export const Certificates = {
  /** Forgets one pair. One that is not there is fine. */
  remove: effect<{ appId: string; pairId: string }, void>('certificates.remove'),
  /** Forgets every pair of an app. */
  drop: effect<{ appId: string }, void>('certificates.drop'),
}

/**
 * Effects performed as the runtime would: one by its name, and those of containers over a real driver with
 * one slug and no config vars.
 */
import { performContainer } from '../../actors/effects/perform/container.ts'
import type { Slugs } from '../../actors/effects/perform/container/slugs.ts'
import { createVault } from '../../actors/effects/perform/vault.ts'
import { oneKey } from '../../actors/effects/perform/seal.ts'
import type { Shuttle } from '../../actors/logplex/shuttle.ts'
import type { StackRoot } from '../../actors/effects/perform/container/stacks.ts'
import type { Driver } from '../../src/oci/driver.ts'
import type { Effects } from '../../src/ports/effects.ts'
import type { Rendezvous } from '../../src/rendezvous/rendezvous.ts'
import { systemRandom } from '../../src/system/random.ts'
import { memoryStore } from './memory-store.ts'

export const perform = <R>(effects: Effects, name: string, args: object): Promise<R> =>
  (effects[name] as (args: object) => Promise<R>)(args)

export type OneSlug = {
  readonly driver: Driver
  /** The unpacked slug of every run. */
  readonly slug: string
  readonly rootOf: (stack: string) => StackRoot
}

/** Effects of containers that all have one slug, and no config vars. */
export const performOneSlug = ({ driver, slug, rootOf }: OneSlug): Effects =>
  performContainer({
    driver,
    slugs: { folderOf: () => slug } as unknown as Slugs,
    shuttle: { forget: async () => undefined } as unknown as Shuttle,
    vault: { ...createVault(memoryStore(), oneKey(Buffer.alloc(32, 7))), open: async () => ({}) },
    rendezvous: {} as Rendezvous,
    random: systemRandom,
    now: () => Date.now(),
    appDomain: 'apps.test',
    rootOf,
  })

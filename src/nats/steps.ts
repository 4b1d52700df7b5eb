/**
 * What one host asks of another host's server, as data that travels between them. Each step may come twice.
 */
import type { Access, Login } from './config.ts'
import { KeeperRefused, type Keeper } from './keeper.ts'
import type { Generation } from './mode.ts'

export type ServerStep =
  | { readonly step: 'prepare'; readonly generation: Generation; readonly grower: Login }
  | { readonly step: 'open'; readonly access: Access }
  | { readonly step: 'discard' }
  | { readonly step: 'route'; readonly generation: Generation }
  | { readonly step: 'allow'; readonly access: Access }

/**
 * Does one for another control host, whose word it is that the step is well formed.
 * @throws ServerFailed, KeeperRefused
 */
export const performStep = async (keeper: Keeper, step: ServerStep): Promise<void> => {
  switch (step.step) {
    case 'prepare':
      await keeper.prepare(step.generation, step.grower)
      return
    case 'open':
      await keeper.open(step.access)
      return
    case 'discard':
      return keeper.discard()
    case 'route':
      return keeper.route(step.generation)
    case 'allow':
      return keeper.allow(step.access)
    default:
      throw new KeeperRefused(`no such step: ${String((step as { step?: unknown }).step)}`)
  }
}

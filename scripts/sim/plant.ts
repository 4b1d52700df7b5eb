/**
 * Where a deliberate bug can stand in a simulated cluster: between the platform's parts, never inside them.
 * For showing that the checks find what they are for.
 */
import type { Members } from '../../src/membership/contract.ts'
import type { Store } from '../../src/ports/store.ts'
import type { Transport } from '../../src/ports/transport.ts'
import type { TreeNode } from '../../src/runtime/tree.ts'

export type Plant = {
  readonly store?: (store: Store) => Store
  readonly transport?: (transport: Transport) => Transport
  readonly members?: (members: Members) => Members
  readonly tree?: (tree: TreeNode) => TreeNode
  /** A port that became free is given to the next process at once. */
  readonly reusesPorts?: boolean
}

export const noPlant: Plant = {}

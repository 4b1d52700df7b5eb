/**
 * From tree to running actors: the homes of all types a tree names, and how each node of it is started.
 */
import { Cell, type CellOwner } from './cell.ts'
import { DurableCell } from './durable-cell.ts'
import { Group, type Starter } from './group.ts'
import type { Home, Homes, Running } from './home.ts'
import type { Kernel } from './kernel.ts'
import { DynamicPool, type MakeCell } from './pool.ts'
import type { Ref } from './protocol.ts'
import { RecordFormat } from './record.ts'
import { KeyedShard } from './shard.ts'
import type { TreeNode } from './tree.ts'

type ChildNode = Extract<TreeNode, { readonly kind: 'child' }>
type KeyedNode = Extract<TreeNode, { readonly kind: 'keyed' }>

/** Makes the home of every type in the tree, so that each is known before the first starts. */
export const declareHomes = (tree: TreeNode, homes: Homes): void => {
  if (tree.kind === 'supervisor') for (const node of tree.children) declareHomes(node, homes)
  else homes.of(tree.actor, tree.kind === 'keyed' ? (tree.options.role ?? 'control') : undefined)
}

/** @param owns whether this host owns a key of a type */
export const starter = (kernel: Kernel, homes: Homes, owns: (ref: Ref) => boolean): Starter => {
  const bound: MakeCell = (home, key, owner) =>
    new Cell(kernel, home.def, { to: home.def.protocol.name, key, host: kernel.host }, owner)

  const start: Starter = (node, group, exited): Running => {
    switch (node.kind) {
      case 'supervisor': {
        const inner = new Group(kernel, node.id, node.policy, node.children, start, exited)
        inner.start()
        return inner
      }
      case 'child':
        return startChild(kernel, homes.of(node.actor), node, bound, exited)
      case 'dynamic':
        return new DynamicPool(kernel, homes.of(node.actor), node.options, bound, () => group.failed())
      case 'keyed': {
        const home = homes.of(node.actor)
        const type = node.actor.protocol.name
        return new KeyedShard(kernel, home, node.options, makeKeyed(kernel, node), (key) =>
          owns({ to: type, key }),
        )
      }
    }
  }
  return start
}

const startChild = (
  kernel: Kernel,
  home: Home,
  node: ChildNode,
  make: MakeCell,
  exited: (reason: string) => void,
): Running => {
  let opening = true
  const owner: CellOwner = {
    exited: (_, reason, letters) => {
      home.cells.delete(node.id)
      for (const letter of letters) kernel.bounce(letter, 'stopped')
      // One that never opened did not start: `open` throws that to the supervisor.
      if (!opening) exited(reason)
    },
  }
  const cell = make(home, node.id, owner)
  home.cells.set(node.id, cell)
  try {
    cell.open(node.args)
  } catch (error) {
    cell.kill('crash:ACT_START')
    throw error
  } finally {
    opening = false
  }
  return cell
}

const makeKeyed = (kernel: Kernel, node: KeyedNode): MakeCell => {
  const { durable } = node.actor.behaviour
  const type = node.actor.protocol.name
  if (durable === undefined) return (home, key, owner) => new Cell(kernel, home.def, { to: type, key }, owner)
  const format = new RecordFormat(durable, kernel.limits.recordBytesMax)
  const { args } = node.options
  return (home, key, owner) => new DurableCell(kernel, home.def, { to: type, key }, owner, format, args)
}

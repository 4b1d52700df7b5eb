/**
 * Supervision trees as data: built, checked and printed before anything starts.
 *
 * Order is dependency: children start left to right and stop right to left.
 */
import type { ActorDef } from './actor.ts'
import { ActError } from './errors.ts'
import { limitsDefault } from './limits.ts'
import type { Restart, Strategy } from './supervise.ts'

export type Policy = {
  readonly strategy: Strategy
  /** More restarts than this in `periodMs`, and the supervisor gives up. */
  readonly intensity: number
  readonly periodMs: number
  /** Its own budget to stop, which exceeds the sum of its children's. Left out: just that sum. */
  readonly shutdownMs?: number
}
export type ChildOptions = {
  /** `permanent` when left out. */
  readonly restart?: Restart
  readonly shutdownMs?: number
}
export type DynamicOptions = {
  /** `transient` when left out. */
  readonly restart?: Restart
  /** Of each child; they stop all at once. */
  readonly shutdownMs?: number
  readonly childrenMax?: number
}
export type KeyedOptions<A = unknown> = {
  /** What `init` gets; its key is in `ctx.self.key`. */
  readonly args?: A
  /** Passivated when nothing happened for this long. */
  readonly idleMs?: number
  readonly activeMax?: number
  /** Hosts with this role own these actors (`control` when left out); others know only the type. */
  readonly role?: string
  readonly shutdownMs?: number
}

export type TreeNode =
  | {
      readonly kind: 'supervisor'
      readonly id: string
      readonly policy: Policy
      readonly children: readonly TreeNode[]
    }
  | {
      readonly kind: 'child'
      readonly id: string
      readonly actor: ActorDef
      readonly args: unknown
      readonly options: ChildOptions
    }
  | { readonly kind: 'dynamic'; readonly actor: ActorDef; readonly options: DynamicOptions }
  | { readonly kind: 'keyed'; readonly actor: ActorDef; readonly options: KeyedOptions }

/** A supervisor. Say beside it what losing each child costs. */
export const supervise = (id: string, policy: Policy, children: readonly TreeNode[]): TreeNode => ({
  kind: 'supervisor',
  id,
  policy,
  children,
})

/** One actor that is always there, addressed as `refAt(protocol, id, host)`. */
export const child = <A>(
  id: string,
  actor: ActorDef<A>,
  args: NoInfer<A>,
  options: ChildOptions = {},
): TreeNode => ({ kind: 'child', id, actor, args, options })

/**
 * Where `ctx.spawn(actor, key, args)` puts its children: `refAt(protocol, key, host)`. A child's failure
 * restarts that child alone, and counts in the supervisor's window.
 */
export const dynamic = <A>(actor: ActorDef<A>, options: DynamicOptions = {}): TreeNode => ({
  kind: 'dynamic',
  actor,
  options,
})

/**
 * Actors by key, each activated by its first message on the host that owns the key: `ref(protocol, key)`. A
 * failed one is activated again after a back-off; that does not count in the supervisor's window.
 */
export const keyed = <A>(actor: ActorDef<A>, options: KeyedOptions<NoInfer<A>> = {}): TreeNode => ({
  kind: 'keyed',
  actor,
  options,
})

/** For lists: `...each(items, (item) => child(...))`. */
export const each = <T>(items: readonly T[], make: (item: T) => TreeNode): readonly TreeNode[] =>
  items.map((item) => make(item))

/** How long a node may take to stop: its own budget, or the sum of its children's. */
export const shutdownMsOf = (node: TreeNode): number => {
  if (node.kind !== 'supervisor') return node.options.shutdownMs ?? limitsDefault.shutdownMs
  const childrenMs = node.children.reduce((sumMs, each) => sumMs + shutdownMsOf(each), 0)
  return node.policy.shutdownMs ?? childrenMs
}

/** The tree on one screen. */
export const format = (node: TreeNode, depth = 0): string => {
  const line = '  '.repeat(depth) + describe(node)
  if (node.kind !== 'supervisor') return line
  return [line, ...node.children.map((each) => format(each, depth + 1))].join('\n')
}

const describe = (node: TreeNode): string => {
  const stopMs = `stop<=${shutdownMsOf(node)}ms`
  switch (node.kind) {
    case 'supervisor': {
      const { strategy, intensity, periodMs } = node.policy
      return `${node.id}/  ${strategy} ${intensity}/${periodMs}ms ${stopMs}`
    }
    case 'child':
      return `${node.id}  ${node.actor.protocol.name} ${node.options.restart ?? 'permanent'} ${stopMs}`
    case 'dynamic':
      return `${node.actor.protocol.name}/*  dynamic ${node.options.restart ?? 'transient'} ${stopMs}`
    case 'keyed': {
      const kind = node.actor.behaviour.durable === undefined ? 'keyed' : 'keyed durable'
      const idleMs = node.options.idleMs ?? limitsDefault.idleMs
      const role = node.options.role ?? 'control'
      return `${node.actor.protocol.name}/*  ${kind} @${role} idle ${idleMs}ms ${stopMs}`
    }
  }
}

/** Throws ACT_TREE with everything that is wrong, before anything starts. */
export const check = (tree: TreeNode): void => {
  const faults: string[] = []
  const uses = new Map<string, Set<TreeNode['kind']>>()
  const addresses = new Set<string>()
  const visit = (node: TreeNode): void => {
    if (node.kind === 'supervisor') {
      faults.push(...supervisorFaults(node.id, node.policy, node.children))
      node.children.forEach(visit)
      return
    }
    const type = node.actor.protocol.name
    const kinds = uses.get(type) ?? new Set()
    if (kinds.has(node.kind) && node.kind !== 'child') faults.push(`${type}: two ${node.kind} nodes`)
    uses.set(type, kinds.add(node.kind))
    if (kinds.has('keyed') && kinds.size > 1) faults.push(`${type}: keyed, and something else too`)
    if (node.kind === 'child') {
      const address = `${type}/${node.id}`
      if (node.id === '' || node.id.includes('/')) faults.push(`${address}: an id is text without /`)
      if (addresses.has(address)) faults.push(`${address}: the same address twice`)
      addresses.add(address)
    }
    faults.push(...actorFaults(node))
  }
  visit(tree)
  if (faults.length > 0) throw new ActError('ACT_TREE', faults.join('; '))
}

const supervisorFaults = (id: string, policy: Policy, children: readonly TreeNode[]): readonly string[] => {
  const faults: string[] = []
  if (id === '' || id.includes('/')) faults.push(`${id}: an id is text without /`)
  if (!Number.isInteger(policy.intensity) || policy.intensity < 0)
    faults.push(`${id}: intensity is 0 or more`)
  if (!(policy.periodMs > 0)) faults.push(`${id}: periodMs is above 0`)
  const ids = children.map((each) =>
    each.kind === 'supervisor' || each.kind === 'child' ? each.id : `${each.actor.protocol.name}/*`,
  )
  for (const twice of ids.filter((each, i) => ids.indexOf(each) !== i)) faults.push(`${id}: ${twice} twice`)
  const childrenMs = children.reduce((sumMs, each) => sumMs + shutdownMsOf(each), 0)
  if (policy.shutdownMs !== undefined && policy.shutdownMs < childrenMs) {
    faults.push(`${id}: stops in ${policy.shutdownMs} ms, its children in ${childrenMs} ms`)
  }
  return faults
}

const actorFaults = (node: Exclude<TreeNode, { readonly kind: 'supervisor' }>): readonly string[] => {
  const faults: string[] = []
  const { protocol, behaviour } = node.actor
  const { capacity } = behaviour.mailbox
  if (!(capacity >= 1 && capacity <= limitsDefault.mailboxCapacityMax)) {
    faults.push(`${protocol.name}: mailbox capacity ${capacity}`)
  }
  if (behaviour.mailbox.overflow === 'latest-per-key' && behaviour.mailbox.keyOf === undefined) {
    faults.push(`${protocol.name}: latest-per-key needs keyOf`)
  }
  if (node.kind !== 'keyed' && behaviour.durable !== undefined) {
    faults.push(`${protocol.name}: durable, so it must be keyed`)
  }
  if (!((node.options.shutdownMs ?? 1) > 0)) faults.push(`${protocol.name}: shutdownMs is above 0`)
  if (node.kind === 'keyed' && !((node.options.idleMs ?? 1) > 0)) {
    faults.push(`${protocol.name}: idleMs is above 0`)
  }
  return faults
}

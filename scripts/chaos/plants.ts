/**
 * Deliberate bugs, put between the platform's parts in the simulation, each with the scenario that must find
 * it: a check that never fails proves nothing.
 */
import type { ActorDef, AskCtx } from '../../src/runtime/actor.ts'
import type { Store } from '../../src/ports/store.ts'
import type { TreeNode } from '../../src/runtime/tree.ts'
import type { Plant } from '../sim/plant.ts'
import type { Rule } from './check.ts'

export type Planted = {
  readonly name: string
  readonly what: string
  readonly plant: Plant
  /** Where it is found, and by which rules: one of them at least. */
  readonly scenario: string
  readonly rules: readonly Rule[]
}

/** The same tree with one actor's behaviour replaced. */
const replacing =
  (protocol: string, change: (actor: ActorDef) => ActorDef) =>
  (node: TreeNode): TreeNode => {
    if (node.kind === 'supervisor') {
      return { ...node, children: node.children.map(replacing(protocol, change)) }
    }
    return node.actor.protocol.name === protocol ? { ...node, actor: change(node.actor) } : node
  }

/** Acknowledges a write before the record has it, as a write-behind cache without a journal does. */
export const acknowledgesBeforeItStores = (store: Store): Store => {
  let nextGuess = 1_000_000
  const real = new Map<number, Promise<number>>()
  const answerNow = (write: Promise<number>): number => {
    nextGuess++
    write.catch(() => undefined)
    real.set(nextGuess, write)
    return nextGuess
  }
  return {
    ...store,
    create: (key, value) => Promise.resolve(answerNow(store.create(key, value))),
    update: (key, value, revision) =>
      Promise.resolve(
        answerNow(
          Promise.resolve(real.get(revision) ?? revision).then((actual) => store.update(key, value, actual)),
        ),
      ),
    remove: async (key, revision) =>
      store.remove(key, revision === undefined ? undefined : await (real.get(revision) ?? revision)),
  }
}

/** Hosts start whatever they are told to, whatever newer decision they have seen for that slot. */
const obeysAnyEpoch = replacing('host', (host) => {
  const { launch } = host.behaviour.receive
  const forgetful: typeof launch = (state, message, ctx) =>
    launch?.({ ...state, epochs: new Map() }, message, ctx)
  return {
    ...host,
    behaviour: { ...host.behaviour, receive: { ...host.behaviour.receive, launch: forgetful } },
  }
})

const hearsNoAnnouncement = replacing('formation', (formation) => {
  const receive = { ...formation.behaviour.receive, announced: (state: unknown) => state }
  return { ...formation, behaviour: { ...formation.behaviour, receive } }
})

/** A channel answers its sources at once, as one without receipts would. */
export const answersBeforeItStores = replacing('channel', (channel) => {
  const { deliver } = channel.behaviour.receive
  const hasty: typeof deliver = (state, message, ctx) => {
    const next: unknown = deliver?.(state, message, ctx)
    ctx.answer((ctx as AskCtx<unknown, unknown>).caller, {})
    return next
  }
  return {
    ...channel,
    behaviour: { ...channel.behaviour, receive: { ...channel.behaviour.receive, deliver: hasty } },
  }
})

export const plants: readonly Planted[] = [
  {
    name: 'ack-before-store',
    what: 'Writes are acknowledged before the record has them.',
    plant: { store: acknowledgesBeforeItStores },
    scenario: 'nats-leader-kill',
    rules: ['acks', 'versions', 'recovery'],
  },
  {
    name: 'no-epoch-check',
    what: 'A host obeys a launch that is older than what it has seen for the slot.',
    plant: { tree: obeysAnyEpoch },
    scenario: 'echoes',
    rules: ['epochs', 'recovery'],
  },
  {
    name: 'no-brake',
    what: 'The brake on mass death is not heeded: replacements start for everything that vanished.',
    plant: {
      members: (members) => ({
        ...members,
        view: () => ({ ...members.view(), braked: false }),
        onChange: (changed) => members.onChange((view) => changed({ ...view, braked: false })),
      }),
    },
    scenario: 'mass-death-brake',
    rules: ['needless', 'recovery'],
  },
  {
    name: 'address-reused',
    what: 'A port that became free is given to the next process at once.',
    plant: { reusesPorts: true },
    scenario: 'lossy-churn',
    rules: ['wrong-answer'],
  },
  {
    name: 'announcements-ignored',
    what: 'A formation does not listen to what hosts announce of its runs.',
    plant: { tree: hearsNoAnnouncement },
    scenario: 'lossy-churn',
    rules: ['recovery'],
  },
  {
    name: 'no-fence',
    what: 'A host whose lease may be over goes on running what must not run twice.',
    plant: { members: (members) => ({ ...members, onFence: () => undefined, onLease: () => undefined }) },
    scenario: 'partition-minority',
    rules: ['epochs'],
  },
]

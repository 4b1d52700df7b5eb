/**
 * The bank: a toy system that uses the runtime alone, to show that it keeps its promises without any help of
 * the platform.
 *
 * Accounts hold money, transfers are sagas that take it from one and bring it to another, each step
 * idempotent. However hosts crash, links break and the record fails: no money is made or lost, and every
 * transfer that was acknowledged happens exactly once.
 */
import {
  actor,
  ask,
  is,
  protocol,
  ref,
  tell,
  type Ctx,
  type Answer,
  type QuestionName,
  type QuestionOf,
  type Ref,
  type Static,
} from '../../src/runtime/index.ts'
import { keyed, supervise } from '../../src/runtime/index.ts'
import { createWorld, type World } from '../../src/sim/world.ts'
import { calm, drawFaults, strike } from './faults.ts'
import { verdictOf, type Scenario } from './scenario.ts'

const Account = protocol('account', 1, {
  open: ask({ balance: is.int }, is.obj({})),
  take: ask({ transfer: is.str, amount: is.int }, is.obj({ taken: is.bool })),
  bring: ask({ transfer: is.str, amount: is.int }, is.obj({})),
  balance: ask({}, is.obj({ balance: is.int })),
})
const accountShape = is.obj({ balance: is.int, seen: is.map(is.bool) })
type AccountState = Static<typeof accountShape> & { readonly opened: boolean }

const account = actor(Account, {
  mailbox: { capacity: 100, overflow: 'reject' },
  init: (): AccountState => ({ balance: 0, seen: {}, opened: false }),
  durable: {
    version: 1,
    schema: accountShape,
    save: (s: AccountState) => (s.opened ? { balance: s.balance, seen: s.seen } : undefined),
    load: (saved): AccountState => ({ ...saved, opened: true }),
  },
  receive: {
    open(s, { balance }, ctx) {
      ctx.reply({})
      return s.opened ? s : { balance, seen: {}, opened: true }
    },
    take(s, { transfer, amount }, ctx) {
      const known = s.seen[`-${transfer}`]
      const taken = known ?? s.balance >= amount
      ctx.reply({ taken })
      if (known !== undefined) return s
      return {
        ...s,
        balance: taken ? s.balance - amount : s.balance,
        seen: { ...s.seen, [`-${transfer}`]: taken },
      }
    },
    bring(s, { transfer, amount }, ctx) {
      ctx.reply({})
      if (s.seen[`+${transfer}`] !== undefined) return s
      return { ...s, balance: s.balance + amount, seen: { ...s.seen, [`+${transfer}`]: true } }
    },
    balance(s, _, ctx) {
      ctx.reply({ balance: s.balance })
      return s
    },
  },
})

const stages = ['blank', 'taking', 'bringing', 'done', 'refused'] as const
const Transfer = protocol('transfer', 1, {
  /** Answered once the order is in the record; it will be carried out whatever happens then. */
  order: ask({ from: is.str, to: is.str, amount: is.int }, is.obj({})),
  stage: ask({}, is.obj({ stage: is.oneOf(...stages) })),
  taken: tell({ taken: is.bool }),
  brought: tell({}),
  again: tell({}),
  /** The step has no answer: the reminder tries it again. */
  missed: tell({}),
})
const transferShape = is.obj({ from: is.str, to: is.str, amount: is.int, stage: is.oneOf(...stages) })
type TransferState = Static<typeof transferShape>
const retryMs = 500
const stepTimeoutMs = 400

const transfer = actor(Transfer, {
  mailbox: { capacity: 20, overflow: 'reject' },
  init: (): TransferState => ({ from: '', to: '', amount: 0, stage: 'blank' }),
  durable: {
    version: 1,
    schema: transferShape,
    save: (s: TransferState) => (s.stage === 'blank' ? undefined : s),
    load: (saved): TransferState => saved,
  },
  awake: (s, ctx) => advance(s, ctx),
  receive: {
    order(s, { from, to, amount }, ctx) {
      ctx.reply({})
      return s.stage === 'blank' ? advance({ from, to, amount, stage: 'taking' }, ctx) : s
    },
    stage(s, _, ctx) {
      ctx.reply({ stage: s.stage })
      return s
    },
    taken: (s, { taken }, ctx) =>
      s.stage === 'taking' ? advance({ ...s, stage: taken ? 'bringing' : 'refused' }, ctx) : s,
    brought: (s, _, ctx) => (s.stage === 'bringing' ? advance({ ...s, stage: 'done' }, ctx) : s),
    again: (s, _, ctx) => advance(s, ctx),
    missed: (s) => s,
  },
})

const advance = (s: TransferState, ctx: Ctx<typeof Transfer>): TransferState => {
  const step = { transfer: ctx.self.key, amount: s.amount }
  const missed = () => ({ type: 'missed' }) as const
  if (s.stage === 'taking' || s.stage === 'bringing')
    ctx.remind('again', ctx.now + retryMs, { type: 'again' })
  else ctx.forget('again')
  if (s.stage === 'taking')
    ctx.ask(
      ref(Account, s.from),
      { type: 'take', ...step },
      stepTimeoutMs,
      ({ taken }) => ({ type: 'taken', taken }),
      missed,
    )
  if (s.stage === 'bringing')
    ctx.ask(
      ref(Account, s.to),
      { type: 'bring', ...step },
      stepTimeoutMs,
      () => ({ type: 'brought' }),
      missed,
    )
  return s
}

const tree = () =>
  supervise('bank', { strategy: 'one_for_one', intensity: 100, periodMs: 1_000 }, [
    keyed(account, { idleMs: 2_000 }),
    keyed(transfer, { idleMs: 2_000 }),
  ])

const hosts = ['a', 'b', 'c']
const accounts = ['alice', 'bob', 'carol', 'dave']
const opening = 1_000

type Ordered = { readonly id: string; acknowledged: boolean }

export const bank: Scenario = {
  name: 'bank',
  run: async (seed, options = {}) => {
    const world = createWorld(seed)
    const wrap = options.plant?.store
    for (const name of hosts)
      world.addHost(name, ['control'], ({ store }) => ({
        tree: tree(),
        effects: {},
        ...(wrap === undefined ? {} : { store: wrap(store) }),
      }))
    const violations: string[] = []
    const client = anyHost(world)
    for (const key of accounts)
      await untilAnswered(world, () => client(ref(Account, key), { type: 'open', balance: opening }))
    const orders = await trouble(world, client)
    calm(world, hosts)
    if (!(await allSettled(world, client, orders)))
      violations.push('some acknowledged transfer was never carried out')
    let total = 0
    for (const key of accounts) {
      const answer = await untilAnswered(world, () => client(ref(Account, key), { type: 'balance' }))
      total += (answer as { balance: number } | undefined)?.balance ?? Number.NaN
    }
    if (total !== opening * accounts.length)
      violations.push(`money: ${total} instead of ${opening * accounts.length}`)
    return verdictOf(world, violations)
  },
}

type Client = <P, K extends QuestionName<P>>(to: Ref<P>, message: QuestionOf<P, K>) => Promise<Answer<P, K>>

/** A client that asks whichever host is up, as a load balancer would send it. */
const anyHost =
  (world: World): Client =>
  (to, message) => {
    const alive = world.alive()
    if (alive.length === 0) return Promise.reject(new Error('no host is up'))
    return world.node(world.random.pick(alive)).ask(to, message, { timeoutMs: 1_000 })
  }

const trouble = async (world: World, client: Client): Promise<Ordered[]> => {
  const random = world.random
  const mix = drawFaults(world, random)
  const orders: Ordered[] = []
  for (let i = 0; i < 30; i++) {
    const order: Ordered = { id: `t${i}`, acknowledged: false }
    orders.push(order)
    const [from, to] = [random.pick(accounts), random.pick(accounts)]
    const message = { type: 'order' as const, from, to, amount: random.between(1, 300) }
    client(ref(Transfer, order.id), message).then(
      () => {
        order.acknowledged = true
      },
      () => undefined,
    )
    await world.run(() => false, random.between(5, 300))
    if (i % 3 === 2) strike(world, hosts, mix, random)
  }
  await world.run(() => false, 1_500)
  return orders
}

/** Runs the world until the question has an answer, asking again when it fails. */
const untilAnswered = async (world: World, question: () => Promise<unknown>): Promise<unknown> => {
  for (let tries = 0; tries < 20; tries++) {
    let outcome: { readonly answer: unknown } | 'failed' | undefined
    question().then(
      (answer) => {
        outcome = { answer }
      },
      () => {
        outcome = 'failed'
      },
    )
    await world.run(() => outcome !== undefined, 5_000)
    if (typeof outcome === 'object') return outcome.answer
    await world.run(() => false, 100)
  }
  return undefined
}

const allSettled = async (world: World, client: Client, orders: readonly Ordered[]): Promise<boolean> => {
  for (const order of orders) {
    for (let tries = 0; ; tries++) {
      const answer = await untilAnswered(world, () => client(ref(Transfer, order.id), { type: 'stage' }))
      const stage = (answer as { stage: string } | undefined)?.stage
      if (stage === 'done' || stage === 'refused' || (stage === 'blank' && !order.acknowledged)) break
      if (stage === 'blank' || tries > 50) return false
      await world.run(() => false, 500)
    }
  }
  return true
}

/**
 * count: a durable keyed actor that counts, one that watches, and a node or several of them.
 */
import type { Store } from '../../src/ports/store.ts'
import { decode, encode } from '../../src/runtime/codec.ts'
import {
  actor,
  ask,
  child,
  is,
  keyed,
  protocol,
  ref,
  stop,
  supervise,
  tell,
  type KeyedOptions,
  type TreeNode,
} from '../../src/runtime/index.ts'
import { Lab, type Fields, type HostOptions, type LabHost } from './lab.ts'

export const Count = protocol('count', 1, {
  add: ask({ n: is.int }, is.int),
  bump: tell({ n: is.int }),
  total: ask({}, is.obj({ n: is.int, fired: is.int, host: is.str })),
  boom: tell({}),
  clear: tell({}),
  end: tell({}),
  remind: tell({ name: is.str, ms: is.int }),
  forget: tell({ name: is.str }),
  due: tell({}),
})
export type Saved = { readonly n: number; readonly fired: number }
export const count = actor(Count, {
  mailbox: { capacity: 1_000, overflow: 'reject' },
  init: (): Saved => ({ n: 0, fired: 0 }),
  durable: {
    version: 1,
    schema: is.obj({ n: is.int, fired: is.int }),
    save: (s: Saved) => (s.n < 0 ? undefined : s),
    load: (saved): Saved => saved,
  },
  receive: {
    add: (s, { n }, ctx) => {
      ctx.reply(s.n + n)
      return { ...s, n: s.n + n }
    },
    bump: (s, { n }) => (n === 0 ? { ...s } : { ...s, n: s.n + n }),
    total: (s, _, ctx) => {
      ctx.reply({ ...s, host: ctx.host })
      return s
    },
    boom: () => {
      throw new RangeError('boom')
    },
    clear: (s) => ({ ...s, n: -1 }),
    end: () => stop('normal'),
    remind: (s, { name, ms }, ctx) => {
      ctx.remind(name, ctx.now + ms, { type: 'due' })
      return s
    },
    forget: (s, { name }, ctx) => {
      ctx.forget(name)
      return s
    },
    due: (s) => ({ ...s, fired: s.fired + 1 }),
  },
})

/** An actor that watches what it is told to, and notes what it sees. */
export const Eye = protocol('eye', 1, {
  watch: tell({ to: is.str, key: is.str, host: is.str }),
  unwatch: tell({ to: is.str, key: is.str, host: is.str }),
  end: tell({ reason: is.str }),
  note: tell({ text: is.str }),
  pad: tell({ bytes: is.bytes }),
  notes: ask({}, is.arr(is.str)),
  silence: ask({}, is.str),
})
export const target = (m: { to: string; key: string; host: string }) =>
  m.host === '' ? { to: m.to, key: m.key } : { to: m.to, key: m.key, host: m.host }
export const eye = actor(Eye, {
  mailbox: { capacity: 1_000, overflow: 'reject' },
  init: () => [] as readonly string[],
  receive: {
    watch: (s, m, ctx) => {
      ctx.watch(target(m))
      return s
    },
    unwatch: (s, m, ctx) => {
      ctx.unwatch(target(m))
      return s
    },
    end: (_, { reason }) => stop(reason),
    note: (s, { text }) => [...s, text],
    pad: (s, { bytes }) => [...s, `${bytes.length} bytes`],
    notes: (s, _, ctx) => {
      ctx.reply([...s])
      return s
    },
    silence: (s) => s,
  },
  down: (s, { ref, reason }) => [...s, `down ${ref.key} ${reason}`],
})

export const policy = { strategy: 'one_for_one', intensity: 20, periodMs: 1_000 } as const
export const tree = (options: KeyedOptions = {}): TreeNode =>
  supervise('root', policy, [
    child('eye', eye, undefined, { restart: 'transient' }),
    keyed(count, options as KeyedOptions<void>),
  ])
export const one = async (
  options?: HostOptions,
  keyedOptions?: KeyedOptions,
): Promise<LabHost & { lab: Lab }> => {
  const lab = new Lab()
  return { lab, ...(await lab.host('a', tree(keyedOptions), options)) }
}
export const k = ref(Count, 'k')
export const timeoutMs = 1_000
export const add = ({ node }: LabHost, n: number, key = 'k'): Promise<number> =>
  node.ask(ref(Count, key), { type: 'add', n }, { timeoutMs })
export const total = (lab: Lab, { node }: LabHost, key = 'k'): Promise<Saved & { host: string }> =>
  lab.answer(node.ask(ref(Count, key), { type: 'total' }, { timeoutMs }))
export const failureOf = (lab: Lab, promise: Promise<unknown>): Promise<unknown> =>
  lab.answer(promise).then(
    () => undefined,
    (error: unknown) => error,
  )
export const at = (log: readonly Fields[], what: string): readonly Fields[] =>
  log.filter((fields) => fields['at'] === what)
export const recordOf = (lab: Lab, key = 'k'): Saved | undefined => {
  const entry = lab.store.peek(`actor/count/${key}`)
  return entry === undefined ? undefined : (decode(entry.value) as { state: Saved }).state
}
/** Writes a state as another activation elsewhere would. */
export const foreign = async (store: Store, n: number): Promise<void> => {
  const found = await store.get('actor/count/k')
  const writes = Array.from({ length: 4 }, (_, i) => `foreign${i}`.padEnd(26, '.'))
  const value = encode({ v: 1, state: { n, fired: 0 }, reminders: [], writes })
  if (found === undefined) await store.create('actor/count/k', value)
  else await store.update('actor/count/k', value, found.revision)
}
/** Puts something between the node and the store for one write. */
export const onWrite = (act: (store: Store, write: () => Promise<number>) => Promise<number>, times = 1) => {
  let left = times
  const wrap = (store: Store): Store => {
    const guard = (key: string, write: () => Promise<number>): Promise<number> => {
      if (!key.startsWith('actor/') || left === 0) return write()
      left -= 1
      return act(store, write)
    }
    return {
      ...store,
      create: (key, value) => guard(key, () => store.create(key, value)),
      update: (key, value, revision) => guard(key, () => store.update(key, value, revision)),
    }
  }
  return wrap
}

export const three = async (
  options?: HostOptions,
  keyedOptions?: KeyedOptions,
): Promise<{ lab: Lab; hosts: readonly LabHost[] }> => {
  const lab = new Lab()
  const hosts: LabHost[] = []
  for (const name of ['a', 'b', 'c']) hosts.push(await lab.host(name, tree(keyedOptions), options))
  return { lab, hosts }
}
/** The host that has the activation of `k`, and another one. */
export const ownerOf = async (
  lab: Lab,
  hosts: readonly LabHost[],
): Promise<{ owner: LabHost; other: LabHost }> => {
  const [first] = hosts
  const { host } = await total(lab, first as LabHost)
  const owner = hosts.find(({ node }) => node.host === host) as LabHost
  return { owner, other: hosts.find((each) => each !== owner) as LabHost }
}

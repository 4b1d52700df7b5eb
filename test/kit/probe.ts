/**
 * probe: an actor that does whatever a message says, for tests of what the runtime makes of it.
 */
import {
  actor,
  ask,
  effect,
  is,
  protocol,
  refAt,
  stop,
  supervise,
  tell,
  type ActorDef,
  type Caller,
  type Policy,
  type Ref,
  type TreeNode,
} from '../../src/runtime/index.ts'
import { Lab, type Fields, type HostOptions, type LabHost } from './lab.ts'

export const calm: Policy = { strategy: 'one_for_one', intensity: 5, periodMs: 10_000 }
export const root = (...children: readonly TreeNode[]): TreeNode => supervise('root', calm, children)
export const mailbox = { capacity: 100, overflow: 'reject' } as const

/** Does whatever a message says: the subject of most tests. */
export const Probe = protocol('probe', 1, {
  note: tell({ text: is.str }),
  noteTo: tell({ key: is.str, text: is.str, boom: is.opt(is.bool) }),
  boom: tell({}),
  boomAsk: ask({}, is.str),
  end: tell({ reason: is.str }),
  notes: ask({}, is.arr(is.str)),
  echo: ask({ text: is.str }, is.str),
  refuseMe: ask({}, is.str),
  later: ask({}, is.str),
  answerLater: tell({ text: is.str, times: is.int }),
  timer: tell({ name: is.str, ms: is.int, text: is.str }),
  cancel: tell({ name: is.str }),
  cancelLater: tell({ name: is.str, ms: is.int }),
  askOther: tell({
    key: is.str,
    host: is.str,
    question: is.oneOf('echo', 'later', 'refuseMe', 'boomAsk'),
    ms: is.int,
  }),
  run: tell({ name: is.str, arg: is.str }),
  spawn: tell({ key: is.str, text: is.str }),
  halt: tell({ key: is.str }),
  watch: tell({ key: is.str }),
  unwatch: tell({ key: is.str }),
  log: tell({ text: is.str }),
})
export type ProbeArgs = {
  readonly notes?: readonly string[]
  readonly brokenInit?: () => boolean
  readonly lastWords?: boolean
}
export type ProbeState = {
  readonly notes: readonly string[]
  readonly caller: Caller | null
  readonly args: ProbeArgs
}
export const there = (key: string, host = 'a'): Ref<typeof Probe> => refAt(Probe, key, host)
export const noted = (s: ProbeState, text: string): ProbeState => ({ ...s, notes: [...s.notes, text] })
export const note = (text: string) => ({ type: 'note', text }) as const
export const perform = (name: string, arg: string) => effect<string, string>(name)(arg)

export const probe = actor(Probe, {
  mailbox,
  init: (args: ProbeArgs): ProbeState => {
    if (args.brokenInit?.() === true) throw new TypeError('init is broken')
    return { notes: args.notes ?? [], caller: null, args }
  },
  receive: {
    note: (s, { text }) => noted(s, text),
    noteTo: (s, { key, text, boom }, ctx) => {
      ctx.tell(there(key), note(text))
      ctx.after('never', 1, note('a timer of a turn that threw'))
      ctx.run(perform('echo', text), note)
      ctx.log({ at: 'turn', text })
      if (boom === true) throw new RangeError('boom')
      return noted(s, `sent ${text}`)
    },
    boom: () => {
      throw new RangeError('boom')
    },
    boomAsk: () => {
      throw new RangeError('boom')
    },
    end: (_, { reason }) => stop(reason),
    notes: (s, _, ctx) => {
      ctx.reply([...s.notes])
      return s
    },
    echo: (s, { text }, ctx) => {
      ctx.reply(text)
      return noted(s, `echoed ${text}`)
    },
    refuseMe: (s, _, ctx) => {
      ctx.refuseCaller('not_today', 'because')
      return s
    },
    later: (s, _, ctx) => ({ ...s, caller: ctx.caller }),
    answerLater: (s, { text, times }, ctx) => {
      for (let i = 0; i < times; i += 1) if (s.caller !== null) ctx.answer(s.caller, text)
      return s
    },
    timer: (s, { name, ms, text }, ctx) => {
      ctx.after(name, ms, note(text))
      return s
    },
    cancel: (s, { name }, ctx) => {
      ctx.cancel(name)
      return s
    },
    cancelLater: (s, { name, ms }, ctx) => {
      ctx.after(`cancels ${name}`, ms, { type: 'cancel', name })
      return s
    },
    askOther: (s, { key, host, question, ms }, ctx) => {
      const message =
        question === 'echo' ? ({ type: 'echo', text: 'hello' } as const) : ({ type: question } as const)
      ctx.ask(
        there(key, host),
        message as { readonly type: 'later' },
        ms,
        (text) => note(`answer ${text}`),
        (failure) => note(`${failure.kind} ${failure.kind === 'refused' ? failure.code : failure.reason}`),
      )
      return s
    },
    run: (s, { name, arg }, ctx) => {
      ctx.run(
        perform(name, arg),
        (text) => note(`done ${text}`),
        ({ code }) => note(`failed ${code}`),
      )
      return s
    },
    spawn: (s, { key, text }, ctx) => {
      ctx.spawn(worker, key, { notes: [text] })
      return s
    },
    halt: (s, { key }, ctx) => {
      ctx.halt(refAt(Worker, key, 'a'))
      return s
    },
    watch: (s, { key }, ctx) => {
      ctx.watch(there(key))
      return s
    },
    unwatch: (s, { key }, ctx) => {
      ctx.unwatch(there(key))
      return s
    },
    log: (s, { text }, ctx) => {
      ctx.log({ at: 'probe', text })
      return s
    },
  },
  down: (s, { ref, reason }, ctx) => {
    if (ref.key === 'first') ctx.unwatch(there('second'))
    return noted(s, `down ${ref.key} ${reason}`)
  },
  lost: (s, { count }) => noted(s, `lost ${count}`),
  stopping: (s, reason, ctx) => {
    ctx.tell(there('diary'), note(`${ctx.self.key} stops: ${reason}`))
    if (s.args.lastWords === true) ctx.run(perform('last', ctx.self.key))
  },
})
export const Worker = protocol('worker', 1, Probe.spec)
export const worker = actor(Worker, probe.behaviour as never) as unknown as ActorDef<ProbeArgs>
export const workerThere = (key: string): Ref<typeof Worker> => refAt(Worker, key, 'a')

export const open = async (tree: TreeNode, options?: HostOptions): Promise<LabHost & { lab: Lab }> => {
  const lab = new Lab()
  return { lab, ...(await lab.host('a', tree, options)) }
}
export const notesOf = (lab: Lab, { node }: LabHost, key: string): Promise<readonly string[]> =>
  lab.answer(node.ask(there(key), { type: 'notes' }, { timeoutMs: 1_000 }))
export const failureOf = async (lab: Lab, promise: Promise<unknown>): Promise<unknown> =>
  lab.answer(promise).then(
    () => undefined,
    (error: unknown) => error,
  )
export const at = (log: readonly Fields[], what: string): readonly Fields[] =>
  log.filter((fields) => fields['at'] === what)

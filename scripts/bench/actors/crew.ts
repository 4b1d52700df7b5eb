/**
 * The actors that the bench measures, and nodes to run them on: over a bus, or alone.
 */
import {
  actor,
  ask,
  child,
  createNode,
  is,
  protocol,
  refAt,
  supervise,
  tell,
  type Ctx,
  type Node,
  type NodePorts,
} from '../../../src/runtime/index.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { systemRandom } from '../../../src/system/random.ts'

/** Of 128 bytes or so with its number, as the bare client sends. */
export const padding = 'x'.repeat(100)
/** Messages between two acknowledgements of the receiver, and how many of such windows may be open. */
const windowMessages = 1_000
const windowsOpen = 16

export const Sender = protocol('bench-sender', 1, {
  send: tell({ total: is.int, host: is.str }),
  more: tell({}),
  sent: ask({}, is.int),
})
export const Receiver = protocol('bench-receiver', 1, {
  note: tell({ n: is.int, text: is.str, from: is.str }),
  echo: ask({ text: is.str }, is.str),
})
const mailbox = { capacity: 1_000_000, overflow: 'reject' } as const

type Sending = { readonly total: number; readonly sent: number; readonly host: string }

/** Keeps so many windows of messages on their way to the receiver of a host. */
const sender = actor(Sender, {
  mailbox,
  init: (): Sending => ({ total: 0, sent: 0, host: '' }),
  receive: {
    send: (_, { total, host }, ctx) => {
      let state: Sending = { total, sent: 0, host }
      for (let i = 0; i < windowsOpen; i += 1) state = sendWindow(state, ctx)
      return state
    },
    more: (s, _, ctx) => sendWindow(s, ctx),
    sent: (s, _, ctx) => {
      ctx.reply(s.sent)
      return s
    },
  },
})

const sendWindow = (s: Sending, ctx: Ctx<typeof Sender>): Sending => {
  const last = Math.min(s.total, s.sent + windowMessages)
  const to = refAt(Receiver, 'receiver', s.host)
  for (let n = s.sent + 1; n <= last; n += 1) {
    ctx.tell(to, { type: 'note', n, text: padding, from: ctx.host })
  }
  return { ...s, sent: last }
}

/** @param onTotal called in the receiver's turn for each message: how many it got */
const receiver = (onTotal: (total: number) => void) =>
  actor(Receiver, {
    mailbox,
    init: () => 0,
    receive: {
      note: (s, { n, from }, ctx) => {
        onTotal(n)
        if (n % windowMessages === 0) ctx.tell(refAt(Sender, 'sender', from), { type: 'more' })
        return s + 1
      },
      echo: (s, { text }, ctx) => {
        ctx.reply(text)
        return s
      },
    },
  })

export type Crew = {
  readonly node: Node
  /**
   * Sends `total` messages to the receiver on `host`; the last one ends the promise of that crew's
   * `received`.
   */
  readonly send: (total: number, host: string) => void
  /** Resolves when the message with that number has come. */
  readonly received: (n: number) => Promise<void>
}

/** @param hosts every host of the bench, this one included */
export const startCrew = async (
  host: string,
  hosts: readonly string[],
  transport: NodePorts['transport'],
): Promise<Crew> => {
  let waiting: { readonly n: number; readonly done: () => void } | undefined
  const onTotal = (total: number): void => {
    if (waiting !== undefined && total >= waiting.n) waiting.done()
  }
  const view = { number: 1, hosts: hosts.map((name) => ({ name, roles: ['control'] })) }
  const absent = () => Promise.reject(new Error('the bench has no store'))
  const node = createNode(
    {
      clock: systemClock,
      random: systemRandom,
      transport,
      store: { get: absent, peek: absent, create: absent, update: absent, remove: absent, list: absent },
      effects: {},
      log: () => {},
      directory: { view: () => view, onChange: () => {} },
    },
    {
      host,
      cluster: 'bench',
      simulateRemote: false,
      tree: supervise('bench', { strategy: 'one_for_one', intensity: 0, periodMs: 1_000 }, [
        child('sender', sender, undefined),
        child('receiver', receiver(onTotal), undefined),
      ]),
    },
  )
  await node.start()
  return {
    node,
    send: (total, to) => node.tell(refAt(Sender, 'sender', host), { type: 'send', total, host: to }),
    received: (n) =>
      new Promise((resolve) => {
        waiting = {
          n,
          done: () => {
            waiting = undefined
            resolve()
          },
        }
      }),
  }
}

/** For actors that stay on their host. */
export const nowhere: NodePorts['transport'] = {
  send: () => {},
  listen: () => {},
  publish: () => {},
  subscribe: () => ({ close: () => {} }),
  batchBytesMax: 1_000_000,
  connected: () => true,
  onConnection: () => {},
  close: async () => {},
}

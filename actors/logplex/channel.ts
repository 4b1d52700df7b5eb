/**
 * Channel: the log stream of one app, in the order in which its lines arrived here.
 *
 * Owns what is between its sources and the kept history: a bounded buffer, and one append in flight at a time
 * so that order is kept. A line is either in the history (and so with every tail), in that buffer, or counted
 * as dropped and said in-band as L10. An activation whose key gets another owner hands over the lines that no
 * source keeps; a crash loses them. The history is the store's.
 */
import { actor, ref, type Ctx } from '../../src/runtime/index.ts'
import { History } from '../effects/history.ts'
import { App } from '../protocols/app.ts'
import { Channel, type Line } from '../protocols/channel.ts'
import { Drain } from '../protocols/drain.ts'
import { overflowLine } from './codes.ts'
import { countIn, isRepeat, noReceipts, receive, receiveAgain, settle, type Receipts } from './receipts.ts'

type State = {
  readonly buffer: readonly Line[]
  readonly bufferBytes: number
  /** The lines of the append that is under way. */
  readonly inFlight: readonly Line[]
  readonly batch: number
  readonly failures: number
  readonly dropped: number
  readonly droppedSinceUs: number
  readonly receipts: Receipts
  /** Lines that left the buffer since the last append ended: stored with it, or dropped. */
  readonly leaving: number
  /** Of the lines here, those that nobody says again. */
  readonly loose: ReadonlySet<Line>
  /** Ids of the app's drains; undefined: not known yet, or being asked for anew. */
  readonly drains: readonly string[] | undefined
  readonly isAsking: boolean
}
type Self = Ctx<typeof Channel>

// Logplex's drain buffer holds 1,024 messages; the channel's holds what an outage of the store of some
// seconds brings.
const bufferLinesMax = 5_000
const bufferBytesMax = 4 * 1024 * 1024
const batchLinesMax = 500
const batchBytesMax = 256 * 1024
const retryMsMin = 100
const retryMsMax = 5_000
const askTimeoutMs = 5_000
const askAgainMs = 1_000

export const channel = actor(Channel, {
  mailbox: { capacity: 1_000, overflow: 'drop-oldest' },
  init: (): State => ({
    buffer: [],
    bufferBytes: 0,
    inFlight: [],
    batch: 0,
    failures: 0,
    dropped: 0,
    droppedSinceUs: 0,
    receipts: noReceipts,
    leaving: 0,
    loose: new Set(),
    drains: undefined,
    isAsking: false,
  }),
  receive: {
    write(s, { lines }, ctx) {
      const loose = new Set([...s.loose, ...lines])
      return append(accept({ ...s, loose, receipts: countIn(s.receipts, lines.length) }, lines), ctx)
    },
    deliver(s, { source, seq, lines }, ctx) {
      if (isRepeat(s.receipts, source, seq))
        return answerSettled({ ...s, receipts: receiveAgain(s.receipts, source, ctx.caller) }, 0, ctx)
      const receipts = receive(s.receipts, source, seq, lines.length, ctx.caller)
      const taken = append(accept({ ...s, receipts }, lines), ctx)
      return lines.length === 0 ? answerSettled(taken, 0, ctx) : taken
    },
    drop(s, _, ctx) {
      ctx.run(History.drop({ appId: ctx.self.key }))
      const forgotten = {
        ...s,
        buffer: [],
        bufferBytes: 0,
        loose: new Set<Line>(),
        leaving: s.leaving + s.buffer.length,
      }
      return s.inFlight.length > 0
        ? forgotten
        : answerSettled({ ...forgotten, leaving: 0 }, forgotten.leaving, ctx)
    },
    appended(s, { batch, stored: kept }, ctx) {
      if (batch !== s.batch) return s
      for (const id of s.drains ?? []) ctx.tell(ref(Drain, id), { type: 'stored', batch: kept })
      const loose = s.loose.size === 0 ? s.loose : new Set(s.buffer.filter((line) => s.loose.has(line)))
      const stored = { ...s, inFlight: [], failures: 0, leaving: 0, loose }
      return append(answerSettled(stored, s.leaving, ctx), ctx)
    },
    appendFailed(s, { batch, reason }, ctx) {
      if (batch !== s.batch) return s
      const failures = s.failures + 1
      if (failures === 1) ctx.log({ at: 'history-failed', app: ctx.self.key, reason })
      const waitMs = Math.min(retryMsMax, retryMsMin * 2 ** Math.min(failures, 10))
      ctx.after('retry', waitMs, { type: 'retry', batch })
      return { ...s, failures }
    },
    drainsChanged: (s, _, ctx) => askForDrains({ ...s, drains: undefined, isAsking: false }, ctx),
    drains(s, { ids }, ctx) {
      // What was stored meanwhile they find by themselves.
      for (const id of ids) ctx.tell(ref(Drain, id), { type: 'look' })
      return { ...s, drains: ids, isAsking: false }
    },
    drainsUnknown(s, { isGone }, ctx) {
      if (isGone) return { ...s, drains: [], isAsking: false }
      ctx.after('ask', askAgainMs, { type: 'ask' })
      return s
    },
    ask: (s, _, ctx) => (s.drains === undefined ? askForDrains({ ...s, isAsking: false }, ctx) : s),
    retry: (s, { batch }, ctx) => (batch === s.batch && s.inFlight.length > 0 ? send(s, s.inFlight, ctx) : s),
  },
  moved(s, ctx) {
    let lines = [...s.inFlight, ...s.buffer].filter((line) => s.loose.has(line))
    if (s.dropped > 0) lines.push(overflow(s, ctx))
    while (lines.length > 0) {
      const { taken } = batchOf(lines)
      ctx.tell(ref(Channel, ctx.self.key), { type: 'write', lines: lines.slice(0, taken) })
      lines = lines.slice(taken)
    }
  },
  lost: (s, { count, sinceMs }) => (count === 0 ? s : countDrop(s, count, sinceMs * 1000)),
})

const answerSettled = (s: State, lines: number, ctx: Self): State => {
  const { receipts, answered } = settle(s.receipts, lines)
  for (const caller of answered) ctx.answer(caller, {})
  return { ...s, receipts }
}

/** Takes the lines in; the oldest go first when there are too many, and are counted. */
const accept = (s: State, lines: readonly Line[]): State => {
  const buffer = [...s.buffer, ...lines]
  let bytes = s.bufferBytes + lines.reduce((sum, line) => sum + line.text.length, 0)
  let gone = 0
  while (buffer.length - gone > bufferLinesMax || bytes > bufferBytesMax) {
    bytes -= buffer[gone]?.text.length ?? 0
    gone++
  }
  const kept = { ...s, buffer: gone === 0 ? buffer : buffer.slice(gone), bufferBytes: bytes }
  return gone === 0 ? kept : countDrop({ ...kept, leaving: s.leaving + gone }, gone, buffer[0]?.atUs ?? 0)
}

const countDrop = (s: State, count: number, sinceUs: number): State => ({
  ...s,
  dropped: s.dropped + count,
  droppedSinceUs: s.dropped === 0 ? sinceUs : s.droppedSinceUs,
})

/** Starts the next append when none is under way: what was lost is said first, where it was lost. */
const append = (s: State, ctx: Self): State => {
  if (s.inFlight.length > 0 || (s.buffer.length === 0 && s.dropped === 0)) return s
  const losses = s.dropped > 0 ? [overflow(s, ctx)] : []
  const { taken, bytes } = batchOf(s.buffer)
  const lines = [...losses, ...s.buffer.slice(0, taken)]
  const rest = { buffer: s.buffer.slice(taken), bufferBytes: s.bufferBytes - bytes }
  const loose = losses.length === 0 ? s.loose : new Set([...s.loose, ...losses])
  const leaving = s.leaving + taken
  return send({ ...s, ...rest, loose, leaving, inFlight: lines, batch: s.batch + 1, dropped: 0 }, lines, ctx)
}

/** As many of the first lines as one message takes; at least one. */
const batchOf = (lines: readonly Line[]): { readonly taken: number; readonly bytes: number } => {
  let bytes = 0
  let taken = 0
  for (const line of lines) {
    if (taken >= batchLinesMax || (taken > 0 && bytes + line.text.length > batchBytesMax)) break
    bytes += line.text.length
    taken++
  }
  return { taken, bytes }
}

const send = (s: State, lines: readonly Line[], ctx: Self): State => {
  const { batch } = s
  ctx.run(
    History.append({ appId: ctx.self.key, lines }),
    (stored) => ({ type: 'appended', batch, stored }),
    (error) => ({ type: 'appendFailed', batch, reason: error.message }),
  )
  return askForDrains(s, ctx)
}

/** Nothing waits for it: drains read what they were not told. */
const askForDrains = (s: State, ctx: Self): State => {
  if (s.drains !== undefined || s.isAsking) return s
  ctx.ask(
    ref(App, ctx.self.key),
    { type: 'drains' },
    askTimeoutMs,
    ({ ids }) => ({ type: 'drains', ids: [...ids] }),
    (failure) => ({
      type: 'drainsUnknown',
      isGone: failure.kind === 'refused' && failure.code === 'not_found',
    }),
  )
  return { ...s, isAsking: true }
}

const overflow = ({ dropped, droppedSinceUs }: State, ctx: Self): Line =>
  overflowLine({ count: dropped, sinceUs: droppedSinceUs }, ctx.now * 1000)

/**
 * Does what a committed turn asked for, in the order it was asked.
 */
import type { Kernel } from './kernel.ts'
import { Letter, type Make, type Op } from './letter.ts'
import { refText } from './protocol.ts'
import type { Subject } from './subject.ts'
import type { Timers } from './timers.ts'
import type { Turn } from './turn.ts'

/** An activation whose turns are committed. */
export type Committer = Subject & { readonly timers: Timers }

export const commitTurn = (kernel: Kernel, subject: Committer, turn: Turn): void => {
  const { ops, trace } = turn
  for (let i = 0; i < ops.length; i += 1) commitOp(kernel, subject, ops[i] as Op, trace)
}

const commitOp = (kernel: Kernel, subject: Committer, op: Op, trace: string): void => {
  switch (op.op) {
    case 'letter':
      return kernel.post(op)
    case 'ask':
      return commitAsk(kernel, subject, op, trace)
    case 'answer':
      return commitAnswer(kernel, op, trace)
    case 'refuse':
      return commitAnswer(kernel, op, trace)
    case 'after':
      return subject.timers.set(op.timer, op.ms, op.message, trace)
    case 'cancel':
      return subject.timers.cancel(op.timer)
    case 'remind':
    case 'forget':
      // Part of the durable record: the cell has done them with the state.
      return
    case 'watch':
      return kernel.watches.watch(subject, op.ref)
    case 'unwatch':
      return kernel.watches.unwatch(subject, op.ref)
    case 'spawn':
      return kernel.spawn(subject, op.actor, op.key, op.args)
    case 'halt':
      return kernel.halt(op.ref)
    case 'run':
      return kernel.performers.run(subject, op, trace)
    case 'log':
      return kernel.log({
        actor: refText(subject.ref),
        ...op.fields,
        ...(trace === '' ? {} : { trace }),
      })
  }
}

const commitAsk = (
  kernel: Kernel,
  subject: Committer,
  op: Extract<Op, { readonly op: 'ask' }>,
  trace: string,
): void => {
  const failed = op.failed as Make
  if (subject.asksOpen >= kernel.limits.asksInFlightMax) {
    const value = { kind: 'nobody', reason: 'too_many_asks' } as const
    return subject.deliver({ op: 'result', make: failed, value, trace })
  }
  const waiter = { subject, done: op.done, failed: op.failed, trace }
  const caller = kernel.asks.open(op.ref.to, op.message.type, op.timeoutMs, waiter)
  kernel.post(new Letter(op.ref, op.message, caller, trace, 0))
}

const commitAnswer = (
  kernel: Kernel,
  op: Extract<Op, { readonly op: 'answer' | 'refuse' }>,
  trace: string,
): void => {
  const { caller } = op
  // Nobody asked: the message was told.
  if (caller.id === '') return
  if (caller.deadlineMs < kernel.nowMs()) {
    kernel.deadLetters.add({ reason: 'late_answer', to: caller.host, type: op.op })
    return
  }
  const failure =
    op.op === 'refuse' ? ({ kind: 'refused', code: op.code, reason: op.reason } as const) : undefined
  kernel.reply({ op: 'reply', caller, failure, value: op.op === 'answer' ? op.value : undefined, trace })
}

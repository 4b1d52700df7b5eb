/**
 * Every bound of the runtime in one place, with how they relate asserted at load.
 *
 * A node may be given others (`config.limits`); the same assertions hold for those.
 */
import assert from 'node:assert/strict'

export type Limits = {
  /** Messages, and milliseconds, that all actors together take before the event loop gets its turn. */
  readonly sliceMessagesMax: number
  readonly sliceMs: number
  /** Messages one actor takes before the next ready one; also the turns that share one durable write. */
  readonly cellTurnsMax: number
  /** A turn that holds the loop longer than this is reported with its actor's name. */
  readonly stallMs: number
  readonly mailboxCapacityMax: number
  /** Per actor: what it may have waiting for it, which is also what bounds its system lane. */
  readonly timersMax: number
  readonly remindersMax: number
  readonly effectsInFlightMax: number
  readonly asksInFlightMax: number
  readonly watchesMax: number
  /** Asks from the edges of this node that may be waiting at once. */
  readonly edgeAsksMax: number
  readonly askTimeoutMsMax: number
  /** The longest a clock's timer can be set for. */
  readonly timerMsMax: number
  /**
   * A remote watch is repeated this often until its down arrives, and forgotten by the target when it is
   * not.
   */
  readonly watchAssertMs: number
  readonly watchForgetMs: number
  /** Messages in one batch for one host; its bytes are bounded by the transport. */
  readonly batchMessagesMax: number
  /** What is told before the first view of the hosts, and waits for it. */
  readonly earlyMax: number
  /** How often a message may be sent on to another owner. */
  readonly hopsMax: number
  readonly idleMs: number
  readonly activeMax: number
  readonly dynamicMax: number
  readonly recordBytesMax: number
  /**
   * A durable actor that heard nothing of its record for this long looks at it before it takes the next
   * message.
   */
  readonly freshMs: number
  /** Lost races for one record in a row before the actor crashes. */
  readonly conflictsMax: number
  readonly storeBackoffMs: number
  readonly storeBackoffMsMax: number
  readonly restartBackoffMs: number
  readonly restartBackoffMsMax: number
  /** Up for this long, an actor's next crash counts as its first again. */
  readonly restartQuietMs: number
  readonly shutdownMs: number
  /** Dead letters kept to be looked at; and how often one of each reason is logged. */
  readonly deadLettersKept: number
  readonly deadLetterLogMs: number
}

export const limitsDefault: Limits = {
  sliceMessagesMax: 2_048,
  sliceMs: 5,
  cellTurnsMax: 64,
  stallMs: 100,
  mailboxCapacityMax: 1_048_576,
  timersMax: 1_024,
  remindersMax: 256,
  effectsInFlightMax: 4_096,
  asksInFlightMax: 4_096,
  watchesMax: 65_536,
  edgeAsksMax: 100_000,
  askTimeoutMsMax: 3_600_000,
  timerMsMax: 2_147_483_647,
  watchAssertMs: 5_000,
  watchForgetMs: 30_000,
  batchMessagesMax: 512,
  earlyMax: 10_000,
  hopsMax: 4,
  idleMs: 300_000,
  activeMax: 100_000,
  dynamicMax: 10_000,
  recordBytesMax: 524_288,
  freshMs: 5_000,
  conflictsMax: 8,
  storeBackoffMs: 25,
  storeBackoffMsMax: 2_000,
  restartBackoffMs: 100,
  restartBackoffMsMax: 30_000,
  restartQuietMs: 60_000,
  shutdownMs: 5_000,
  deadLettersKept: 128,
  deadLetterLogMs: 1_000,
}

/** Asserts how bounds relate; throws before anything is started. */
export const checkLimits = (l: Limits): Limits => {
  for (const [name, value] of Object.entries(l)) assert(value > 0, `limit ${name} is above 0`)
  assert(l.cellTurnsMax <= l.sliceMessagesMax, 'one actor takes no more than a slice')
  assert(l.sliceMs < l.stallMs, 'a full slice is no stall')
  assert(l.watchForgetMs >= 3 * l.watchAssertMs, 'a watch outlives two lost assertions')
  assert(l.storeBackoffMs <= l.storeBackoffMsMax, 'the store back-off grows')
  assert(l.restartBackoffMs <= l.restartBackoffMsMax, 'the restart back-off grows')
  assert(l.restartQuietMs > l.restartBackoffMsMax, 'quiet is longer than waiting to restart')
  assert(l.askTimeoutMsMax <= l.timerMsMax, 'an ask can be timed')
  assert(l.watchForgetMs <= l.timerMsMax && l.idleMs <= l.timerMsMax, 'sweeps can be timed')
  return l
}

checkLimits(limitsDefault)

/** Exponential, bounded and jittered: between half of the step and all of it. `attempt` counts from 1. */
export const backoffMs = (attempt: number, baseMs: number, maxMs: number, chance: number): number => {
  assert(attempt >= 1 && chance >= 0 && chance < 1)
  const step = Math.min(maxMs, baseMs * 2 ** Math.min(attempt - 1, 30))
  return Math.ceil(step / 2 + (step / 2) * chance)
}

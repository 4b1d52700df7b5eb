/**
 * The receiver of drains: takes frames, or fails, and now and then takes one whose answer is lost.
 */
import type { Clock } from '../../src/ports/clock.ts'
import type { SeededRandom } from '../../src/sim/random.ts'
import type { Outcome, Sink } from '../../src/syslog/sink.ts'

/** Probabilities in [0, 1]. */
export type ReceiverFaults = {
  readonly fail: number
  /** Taken, and nobody told. */
  readonly lost: number
  /** An answer of 4xx. */
  readonly refuse: number
  readonly latencyMsMax: number
}
export const calmReceiver: ReceiverFaults = { fail: 0, lost: 0, refuse: 0, latencyMsMax: 5 }

export type Received = { readonly id: string; readonly texts: readonly string[] }
export type Receiver = {
  faults: ReceiverFaults
  /** Every frame that it took, as it came. */
  readonly frames: readonly Received[]
  sink(clock: Clock): Sink
}

const decoder = new TextDecoder()
const failed: Outcome = { kind: 'failed', reason: 'the receiver does not answer', connected: true }

export const simReceiver = (random: SeededRandom): Receiver => {
  const frames: Received[] = []
  const receiver: Receiver = {
    faults: calmReceiver,
    frames,
    sink: (clock) => ({
      send: async (messages, { id }) => {
        const soon = () =>
          new Promise<void>(
            (resolve) => void clock.after((random.next() * receiver.faults.latencyMsMax) / 2, resolve),
          )
        await soon()
        const { fail, lost, refuse } = receiver.faults
        if (random.chance(fail)) return failed
        // What it took once it does not refuse.
        const isKnown = frames.some((one) => one.id === id)
        if (!isKnown && random.chance(refuse))
          return { kind: 'refused', status: 404, reason: 'the receiver answers 404' }
        frames.push({ id, texts: messages.map(({ text }) => decoder.decode(text)) })
        await soon()
        return random.chance(lost) ? failed : { kind: 'delivered' }
      },
      close: () => Promise.resolve(),
    }),
  }
  return receiver
}

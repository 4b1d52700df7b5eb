/**
 * Performs what turns asked the outside world to do, and brings the results back as messages.
 *
 * A result for an activation that is gone is dropped and counted. An effect is performed at most once per
 * ask.
 */
import { EffectFailed, type Effects, type Performer } from '../ports/effects.ts'
import type { Log } from '../ports/log.ts'
import type { EffectError } from './actor.ts'
import type { DeadLetters } from './deadletter.ts'
import { errorText } from './errors.ts'
import type { Make, Op } from './letter.ts'
import { refText } from './protocol.ts'
import type { Subject } from './subject.ts'

type RunOp = Extract<Op, { readonly op: 'run' }>

export class Performers {
  readonly #effects: Effects
  readonly #deadLetters: DeadLetters
  readonly #log: Log
  readonly #inFlightMax: number

  constructor(effects: Effects, deadLetters: DeadLetters, log: Log, inFlightMax: number) {
    this.#effects = effects
    this.#deadLetters = deadLetters
    this.#log = log
    this.#inFlightMax = inFlightMax
  }

  run(subject: Subject, op: RunOp, trace: string): void {
    const { name } = op.effect
    const performer = Object.hasOwn(this.#effects, name) ? this.#effects[name] : undefined
    subject.effectsOpen += 1
    if (performer === undefined) {
      this.#failed(subject, op, { code: 'no_performer', message: `nothing here performs ${name}` }, trace)
    } else if (subject.effectsOpen > this.#inFlightMax) {
      const message = `${this.#inFlightMax} effects of this actor are in flight`
      this.#failed(subject, op, { code: 'too_many_effects', message }, trace)
    } else {
      perform(performer, op.effect.args, subject.signal()).then(
        (result) => this.#back(subject, op, op.done, result, trace),
        (error: unknown) => this.#failed(subject, op, this.#errorOf(subject, name, error), trace),
      )
    }
  }

  #failed(subject: Subject, op: RunOp, error: EffectError, trace: string): void {
    this.#back(subject, op, op.failed, error, trace)
  }

  #back(subject: Subject, op: RunOp, make: Make | undefined, value: unknown, trace: string): void {
    subject.effectsOpen -= 1
    if (subject.dead) {
      this.#deadLetters.add({ reason: 'late_result', to: refText(subject.ref), type: op.effect.name })
      return
    }
    if (make !== undefined) subject.deliver({ op: 'result', make, value, trace })
    subject.effectEnded()
  }

  #errorOf(subject: Subject, name: string, error: unknown): EffectError {
    const text = errorText(error)
    if (error instanceof EffectFailed) return { code: error.code, message: text }
    this.#log({ at: 'effect_crashed', effect: name, actor: refText(subject.ref), error: text })
    return { code: 'crashed', message: text }
  }
}

/** A performer that throws at once fails like one that rejects. */
const perform = async (performer: Performer, args: unknown, signal: AbortSignal): Promise<unknown> =>
  performer(args as never, signal)

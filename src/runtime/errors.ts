/**
 * Every error of the runtime, once: its code, what it means, and the class that carries it.
 *
 * The README's table is compared with `errorCodes` both ways by the tidy test.
 */
import type { AskFailure } from './actor.ts'

export const errorCodes = {
  ACT_NOBODY: 'nobody handled the ask, for sure: no such actor, host unreachable, or its mailbox was full',
  ACT_UNKNOWN: 'the ask may have been handled: its time ran out, its host was lost, or its turn crashed',
  ACT_TREE: 'the supervision tree is not valid; nothing was started',
  ACT_START: 'an actor could not be started: its init threw',
  ACT_INTENSITY: 'a supervisor gave up: more restarts than its intensity allows in its period',
  ACT_CTX_CLOSED: 'a turn was asked for something after it had ended (ctx kept beyond receive)',
  ACT_REPLIED_TWICE: 'an ask was answered twice in one turn',
  ACT_NO_HANDLER: 'a message has no handler in its actor',
  ACT_NOT_DURABLE: 'a durable timer was asked for by an actor that is not durable',
  ACT_TOO_MANY: 'an actor holds more timers or durable timers than the limits allow',
  ACT_RANGE: 'a time or a size is outside what the limits allow',
  ACT_RECORD:
    'a stored record cannot be read: not msgpack, not of its schema, or of a version without upcast',
  ACT_RECORD_BYTES: 'a state is larger than a record may be; the turn was not committed',
  ACT_RECORD_SCHEMA: 'an actor tried to save a state that does not fit its own schema',
  ACT_CONFLICT: 'a durable turn lost the race for its record too many times in a row',
  ACT_STORE: 'the store failed in a way its contract does not name',
  ACT_STOPPED: 'the node is not running',
} as const

export type ErrorCode = keyof typeof errorCodes

/** A failure of the runtime itself, or of an actor's use of it. */
export class ActError extends Error {
  override readonly name: string = 'ActError'
  readonly code: ErrorCode
  constructor(code: ErrorCode, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options)
    this.code = code
  }
}

/**
 * What `node.ask` rejects with. `code` is the refusal's own for `refused`, else ACT_NOBODY or ACT_UNKNOWN;
 * `reason` is a short machine word such as `noproc`, `mailbox_full`, `timeout`.
 */
export class AskFailed extends Error {
  override readonly name = 'AskFailed'
  readonly kind: AskFailure['kind']
  readonly code: string
  readonly reason: string
  constructor(failure: AskFailure, what: string) {
    const code = codeOf(failure)
    super(`${code}: ${what}: ${failure.reason}`)
    this.kind = failure.kind
    this.code = code
    this.reason = failure.reason
  }
}

const codeOf = (failure: AskFailure): string => {
  if (failure.kind === 'refused') return failure.code
  return failure.kind === 'nobody' ? 'ACT_NOBODY' : 'ACT_UNKNOWN'
}

/** One short word for a crash, without the error's text (it may quote a secret): `crash:TypeError`. */
export const crashReason = (error: unknown): string => {
  if (error instanceof ActError) return `crash:${error.code}`
  return error instanceof Error ? `crash:${error.name}` : 'crash:thrown'
}

/** The text of an error for the log of this host. */
export const errorText = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message
}

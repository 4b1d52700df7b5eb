/**
 * Performers of effects, by name. `cancelled` fires when the activation that asked is gone and nobody waits
 * any more; what has begun may go on (an effect is at-most-once per ask, its result may be lost).
 */
export type Performer = (args: never, cancelled: AbortSignal) => Promise<unknown>
export type Effects = Readonly<Record<string, Performer>>
/** Thrown by performers: becomes the `failed` message of the asking actor. */
export class EffectFailed extends Error {
  override readonly name = 'EffectFailed'
  readonly code: string
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

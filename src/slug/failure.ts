/**
 * The ways a build or a slug goes wrong, each with a code; a BuildFailure also carries what the pusher is
 * shown.
 */
export type BuildFailureCode =
  | 'NO_LANGUAGE'
  | 'NOT_COMPATIBLE'
  | 'UNKNOWN_BUILDPACK'
  | 'FETCH_FAILED'
  | 'CHECKOUT_FAILED'
  | 'SUBMODULES_FAILED'
  | 'COMPILE_FAILED'
  | 'RELEASE_FAILED'
  | 'TIMED_OUT'
  | 'TOO_LARGE'
  | 'CANCELLED'

/**
 * A build that ends without a slug. `text` is complete and already in Heroku's form; `exitCode` is the
 * push's.
 */
export class BuildFailure extends Error {
  override readonly name = 'BuildFailure'
  readonly code: BuildFailureCode
  readonly text: string
  readonly exitCode: number
  constructor(code: BuildFailureCode, text: string, options?: ErrorOptions & { exitCode?: number }) {
    super(`${code}: ${text.trim()}`, options)
    this.code = code
    this.text = text
    this.exitCode = options?.exitCode ?? 1
  }
}

/** A slug file that is not what it should be, or that could not be made or unpacked. */
export class SlugError extends Error {
  override readonly name = 'SlugError'
  readonly code: 'SLUG_CHECKSUM' | 'SLUG_UNSAFE' | 'SLUG_DAMAGED' | 'SLUG_NOT_PACKED'
  constructor(code: SlugError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

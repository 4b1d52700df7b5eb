/** What the service answers, whoever carries it. */
export type ServiceAnswer = {
  readonly bytes: Uint8Array
  /** `Manifold-Status` and what HTTP clients get of lists and limits. */
  readonly headers: Readonly<Record<string, string>>
  /** Set when it failed; `bytes` then hold Heroku's error body. */
  readonly error?: { readonly code: number; readonly description: string }
}

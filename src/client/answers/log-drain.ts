/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type LogDrain = {
  readonly addon: {
    readonly id: string
    readonly name: string
    readonly app: { readonly id: string; readonly name: string }
  } | null
  readonly app: { readonly id: string; readonly name: string } | null
  readonly created_at: string
  readonly id: string
  readonly token: string
  readonly updated_at: string
  readonly url: string
  readonly delivery?: {
    readonly state: string
    readonly lag: number | null
    readonly dropped: number
    readonly reason: string | null
    readonly delivered_at: string | null
  }
}

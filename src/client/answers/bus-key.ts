/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type BusKey = {
  readonly seed: string
  readonly urls: readonly string[]
  readonly subject_prefix: string
  readonly inbox_prefix: string
  readonly event_prefix: string
}

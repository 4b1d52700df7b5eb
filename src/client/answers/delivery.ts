/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type Delivery = {
  readonly state: string
  readonly lag: number | null
  readonly dropped: number
  readonly reason: string | null
  readonly delivered_at: string | null
}

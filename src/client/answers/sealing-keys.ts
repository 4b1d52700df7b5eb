/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type SealingKeys = {
  readonly keys: readonly {
    readonly id: string
    readonly state: 'next' | 'seals' | 'resealing' | 'kept'
    readonly resealed_at: string | null
  }[]
  readonly resealed: number
  readonly total: number
  readonly unreadable: number
  readonly waiting_for: readonly string[]
}

/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type Stack = {
  readonly default: boolean
  readonly created_at: string
  readonly id: string
  readonly name: string
  readonly state: string
  readonly updated_at: string
}

/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type Generation = {
  readonly created_at: string
  readonly id: string
  readonly name: string
  readonly updated_at: string
}

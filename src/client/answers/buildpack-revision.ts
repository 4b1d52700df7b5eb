/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type BuildpackRevision = {
  readonly id: string
  readonly release: number
  readonly status: string
  readonly license: string | null
  readonly created_at: string
  readonly updated_at: string
}

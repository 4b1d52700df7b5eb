/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type LogSession = {
  readonly created_at: string
  readonly id: string
  readonly logplex_url: string
  readonly updated_at: string
}

/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type Key = {
  readonly comment: string
  readonly created_at: string
  readonly email: string
  readonly fingerprint: string
  readonly id: string
  readonly public_key: string
  readonly updated_at: string
}

/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type OauthSession = {
  readonly created_at: string
  readonly description: string
  readonly expires_in: number
  readonly id: string
}

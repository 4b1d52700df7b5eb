/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type OauthClient = {
  readonly created_at: string
  readonly id: string
  readonly ignores_delinquent: boolean | null
  readonly name: string
  readonly redirect_uri: string
  readonly secret?: string
  readonly updated_at: string
}

/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type OauthAuthorization = {
  readonly access_token: null | {
    readonly expires_in: null | number
    readonly id: string
    readonly token: string
  }
  readonly client: null | { readonly id: string; readonly name: string; readonly redirect_uri: string }
  readonly created_at: string
  readonly description: string
  readonly grant: null | { readonly code: string; readonly expires_in: number; readonly id: string }
  readonly id: string
  readonly refresh_token: null | {
    readonly expires_in: null | number
    readonly id: string
    readonly token: string
  }
  readonly scope: readonly string[]
  readonly session: null | { readonly id: string }
  readonly updated_at: string
  readonly user: { readonly id: string; readonly email: string; readonly full_name: string | null }
}

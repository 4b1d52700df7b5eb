/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type OauthToken = {
  readonly access_token: { readonly expires_in: null | number; readonly id: string; readonly token: string }
  readonly authorization: { readonly id: string }
  readonly client: null | { readonly secret: string }
  readonly created_at: string
  readonly grant: { readonly code: string; readonly type: string }
  readonly id: string
  readonly refresh_token: { readonly expires_in: null | number; readonly id: string; readonly token: string }
  readonly session: { readonly id: string }
  readonly updated_at: string
  readonly user: { readonly id: string }
}

/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type AppTransfer = {
  readonly app: { readonly name: string; readonly id: string }
  readonly created_at: string
  readonly id: string
  readonly owner: { readonly email: string; readonly id: string }
  readonly recipient: { readonly email: string; readonly id: string }
  readonly state: 'pending' | 'accepted' | 'declined'
  readonly updated_at: string
}

/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type Pipeline = {
  readonly created_at: string
  readonly id: string
  readonly name: string
  readonly owner: { readonly id: string; readonly type: string } | null
  readonly updated_at: string
  readonly generation: { readonly id: string; readonly name: string }
}

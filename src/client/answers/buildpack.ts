/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type Buildpack = {
  readonly id: string
  readonly namespace: string
  readonly name: string
  readonly description: string
  readonly category: string
  readonly blob_url: string
  readonly source:
    | { readonly type: 'github'; readonly owner: string; readonly repo: string }
    | { readonly type: 'platform' }
  readonly support: { readonly method: string; readonly address: string }
  readonly updated_at: string
}

/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type PipelinePromotion = {
  readonly created_at: string
  readonly id: string
  readonly pipeline: { readonly id: string }
  readonly source: { readonly app: { readonly id: string }; readonly release: { readonly id: string } }
  readonly status: 'pending' | 'completed'
  readonly updated_at: string | null
}

/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type PipelinePromotionTarget = {
  readonly app: { readonly id: string }
  readonly error_message: null | string
  readonly id: string
  readonly pipeline_promotion: { readonly id: string }
  readonly release: { readonly id: string } | null
  readonly status: 'pending' | 'succeeded' | 'failed'
}

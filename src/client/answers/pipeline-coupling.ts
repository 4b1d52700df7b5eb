/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type PipelineCoupling = {
  readonly app: { readonly id: string }
  readonly created_at: string
  readonly id: string
  readonly pipeline: { readonly id: string; readonly name: string }
  readonly stage: 'test' | 'review' | 'development' | 'staging' | 'production'
  readonly updated_at: string
}

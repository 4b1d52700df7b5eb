/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type Release = {
  readonly addon_plan_names: readonly string[]
  readonly artifacts: readonly { readonly type: string; readonly id: string }[]
  readonly app: { readonly name: string; readonly id: string }
  readonly created_at: string
  readonly description: string
  readonly id: string
  readonly updated_at: string
  readonly slug: { readonly id: string } | null
  readonly status: 'failed' | 'pending' | 'succeeded' | 'expired'
  readonly user: { readonly id: string; readonly email: string }
  readonly version: number
  readonly current: boolean
  readonly output_stream_url: string | null
  readonly eligible_for_rollback: boolean
}

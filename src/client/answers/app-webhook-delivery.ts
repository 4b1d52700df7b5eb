/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type AppWebhookDelivery = {
  readonly created_at: string
  readonly event: { readonly id: string; readonly include: string }
  readonly id: string
  readonly num_attempts: number
  readonly next_attempt_at: string | null
  readonly last_attempt: {
    readonly id: string
    readonly code: number | null
    readonly error_class: string | null
    readonly status: 'scheduled' | 'succeeded' | 'failed'
    readonly created_at: string
    readonly updated_at: string
  } | null
  readonly status: 'pending' | 'scheduled' | 'retrying' | 'failed' | 'succeeded'
  readonly updated_at: string
  readonly webhook: { readonly id: string; readonly level: 'notify' | 'sync' }
}

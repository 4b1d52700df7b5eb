/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type AppWebhookEvent = {
  readonly created_at: string
  readonly id: string
  readonly include: string
  readonly payload: {
    readonly action: string
    readonly actor: { readonly email: string; readonly id: string }
    readonly data: object
    readonly previous_data: object
    readonly resource: string
    readonly version: string
    readonly published_at: string
  }
  readonly updated_at: string
}

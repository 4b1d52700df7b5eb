/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type AddOnAttachment = {
  readonly addon: {
    readonly id: string
    readonly name: string
    readonly app: { readonly id: string; readonly name: string }
  }
  readonly app: { readonly id: string; readonly name: string }
  readonly created_at: string
  readonly id: string
  readonly name: string
  readonly namespace: null | string
  readonly updated_at: string
  readonly web_url: null | string
  readonly log_input_url: null | string
}

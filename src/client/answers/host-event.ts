/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type HostEvent = {
  readonly created_at: string
  readonly id: string
  readonly include: 'api:host'
  readonly payload: {
    readonly action: 'create' | 'update' | 'destroy'
    readonly actor: { readonly email: string; readonly id: string }
    readonly data: unknown
    readonly previous_data: unknown
    readonly published_at: string
    readonly resource: 'host'
    readonly version: string
  }
  readonly updated_at: string
}

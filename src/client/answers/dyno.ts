/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type Dyno = {
  readonly attach_url: string | null
  readonly command: string
  readonly created_at: string
  readonly id: string
  readonly name: string
  readonly release: { readonly id: string; readonly version: number }
  readonly app: { readonly name: string; readonly id: string }
  readonly size: string
  readonly state: string
  readonly type: string
  readonly updated_at: string
}

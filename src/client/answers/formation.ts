/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type Formation = {
  readonly app: { readonly name: string; readonly id: string }
  readonly command: string
  readonly created_at: string
  readonly dyno_size: { readonly id: string; readonly name: string }
  readonly id: string
  readonly quantity: number
  readonly size: string
  readonly type: string
  readonly updated_at: string
  readonly singleton?: boolean
  readonly labels?: Readonly<Record<string, string>>
}

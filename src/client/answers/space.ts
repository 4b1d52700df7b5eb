/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type Space = {
  readonly created_at: string
  readonly id: string
  readonly name: string
  readonly organization: { readonly name: string }
  readonly team: { readonly id: string; readonly name: string }
  readonly region: { readonly id: string; readonly name: string }
  readonly shield: boolean
  readonly state: 'allocating' | 'allocated' | 'deleting'
  readonly updated_at: string
  readonly cidr: string
  readonly data_cidr: string
  readonly generation: { readonly id: string; readonly name: string }
}

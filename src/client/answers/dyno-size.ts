/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type DynoSize = {
  readonly architecture: string
  readonly compute: number
  readonly cost: null | object
  readonly dedicated: boolean
  readonly precise_dyno_units: number
  readonly generation: { readonly id: string; readonly name: string }
  readonly id: string
  readonly memory: number
  readonly name: string
  readonly private_space_only: boolean
}

/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type Usage = {
  readonly month: string
  readonly apps: readonly {
    readonly app: { readonly id: string; readonly name: string }
    readonly destroyed: boolean
    readonly dynos: readonly { readonly type: string; readonly size: string; readonly seconds: number }[]
  }[]
}

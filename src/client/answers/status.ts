/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type Status = {
  readonly status: readonly { readonly system: string; readonly status: string }[]
  readonly incidents: readonly unknown[]
  readonly scheduled: readonly unknown[]
}

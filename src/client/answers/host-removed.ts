/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type HostRemoved = { readonly name: string; readonly warning: string | null }

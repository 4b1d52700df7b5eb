/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type LogToken = { readonly token: string; readonly name: string }

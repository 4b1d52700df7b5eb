/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type RateLimit = { readonly remaining: number }

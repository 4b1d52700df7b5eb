/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type Source = { readonly source_blob: { readonly get_url: string; readonly put_url: string } }

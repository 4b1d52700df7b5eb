/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type Channel = { readonly channel: string; readonly tokens?: Readonly<Record<string, string>> }

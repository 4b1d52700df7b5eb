/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type BuildpackInstallation = {
  readonly ordinal: number
  readonly buildpack: { readonly url: string; readonly name: string }
}

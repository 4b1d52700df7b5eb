/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type Build = {
  readonly app: { readonly id: string }
  readonly buildpacks: readonly { readonly url: string; readonly name: string }[] | null
  readonly created_at: string
  readonly generation: string
  readonly id: string
  readonly output_stream_url: string
  readonly source_blob: {
    readonly checksum: null | string
    readonly url: string
    readonly version: string | null
    readonly version_description: string | null
  }
  readonly release: null | { readonly id: string }
  readonly slug: { readonly id: string } | null
  readonly stack: string
  readonly status: 'failed' | 'pending' | 'succeeded'
  readonly updated_at: string
  readonly user: { readonly id: string; readonly email: string }
}

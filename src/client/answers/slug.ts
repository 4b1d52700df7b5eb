/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type Slug = {
  readonly blob: { readonly method: string; readonly url: string }
  readonly buildpack_provided_description: null | string
  readonly checksum: null | string
  readonly commit: null | string
  readonly commit_description: null | string
  readonly created_at: string
  readonly id: string
  readonly process_types: Readonly<Record<string, string>>
  readonly size: number | null
  readonly stack: { readonly id: string; readonly name: string }
  readonly updated_at: string
  readonly deleted_at: string | null
}

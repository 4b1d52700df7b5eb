/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type App = {
  readonly acm: boolean
  readonly archived_at: null | string
  readonly buildpack_provided_description: null | string
  readonly build_stack: { readonly id: string; readonly name: string }
  readonly created_at: string
  readonly generation: { readonly id: string; readonly name: string }
  readonly git_url: string
  readonly id: string
  readonly internal_routing: boolean | null
  readonly maintenance: boolean
  readonly name: string
  readonly owner: { readonly email: string; readonly id: string }
  readonly organization: null | { readonly id: string; readonly name: string }
  readonly team: null | { readonly id: string; readonly name: string }
  readonly region: { readonly id: string; readonly name: string }
  readonly released_at: null | string
  readonly repo_size: number | null
  readonly slug_size: number | null
  readonly space: null | { readonly id: string; readonly name: string; readonly shield: boolean }
  readonly stack: { readonly id: string; readonly name: string }
  readonly updated_at: string
  readonly web_url: null | string
  readonly create_status?: string
  readonly process_tier?: string
  readonly joined?: boolean
  readonly locked?: boolean
}

/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type AuditEvent = {
  readonly action: string
  readonly actor: { readonly id: string; readonly email: string }
  readonly app: { readonly id: string } | null
  readonly authorization: { readonly id: string } | null
  readonly created_at: string
  readonly fields: readonly string[]
  readonly from: { readonly address: string; readonly agent: string }
  readonly params: Readonly<Record<string, string>>
  readonly release: { readonly version: number } | null
  readonly request_id: string
  readonly status: number | null
}

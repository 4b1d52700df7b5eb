/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type SniEndpoint = {
  readonly certificate_chain: string
  readonly created_at: string
  readonly id: string
  readonly name: string
  readonly updated_at: string
  readonly display_name: string | null
  readonly domains: readonly string[]
  readonly app: { readonly id: string; readonly name: string }
  readonly ssl_cert: {
    readonly 'ca_signed?': boolean
    readonly cert_domains: readonly unknown[]
    readonly expires_at: string
    readonly issuer: string
    readonly 'self_signed?': boolean
    readonly starts_at: string
    readonly subject: string
    readonly id: string
    readonly acm: boolean
  }
}

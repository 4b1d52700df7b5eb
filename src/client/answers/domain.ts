/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type Domain = {
  readonly acm_status: null | string
  readonly acm_status_reason: null | string
  readonly app: { readonly name: string; readonly id: string }
  readonly cname: null | string
  readonly created_at: string
  readonly hostname: string
  readonly id: string
  readonly kind: 'heroku' | 'custom'
  readonly updated_at: string
  readonly status: string
  readonly sni_endpoint: null | { readonly name: string; readonly id: string }
}

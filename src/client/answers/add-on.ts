/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type AddOn = {
  readonly actions: readonly object[]
  readonly addon_service: { readonly id: string; readonly name: string }
  readonly billing_entity: { readonly id: string; readonly name: string; readonly type: 'app' | 'team' }
  readonly app: { readonly id: string; readonly name: string }
  readonly billed_price: { readonly cents: number; readonly contract: boolean; readonly unit: string } | null
  readonly config_vars: readonly string[]
  readonly created_at: string
  readonly id: string
  readonly name: string
  readonly plan: { readonly id: string; readonly name: string }
  readonly provider_id: string
  readonly provision_message: string
  readonly state: 'provisioning' | 'provisioned' | 'deprovisioned'
  readonly updated_at: string
  readonly web_url: null | string
}

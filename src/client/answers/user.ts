/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type User = {
  readonly allow_tracking: boolean
  readonly beta: boolean
  readonly created_at: string
  readonly email: string
  readonly federated: boolean
  readonly id: string
  readonly identity_provider: {
    readonly id: string
    readonly name: string
    readonly team: { readonly name: string }
    readonly organization: { readonly name: string }
    readonly owner: {
      readonly id: string
      readonly name: string
      readonly type: 'team' | 'enterprise-account'
    }
  } | null
  readonly last_login: string | null
  readonly name: string | null
  readonly sms_number: string | null
  readonly suspended_at: string | null
  readonly delinquent_at: string | null
  readonly two_factor_authentication: boolean
  readonly updated_at: string
  readonly verified: boolean
  readonly country_of_residence: string | null
  readonly default_organization: { readonly id: string; readonly name: string } | null
  readonly default_team: { readonly id: string; readonly name: string } | null
  readonly operator: boolean
}

/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type Team = {
  readonly id: string
  readonly created_at: string
  readonly credit_card_collections: boolean
  readonly default: boolean
  readonly enterprise_account: null | { readonly id: string; readonly name: string }
  readonly identity_provider: null | {
    readonly id: string
    readonly name: string
    readonly owner: {
      readonly id: string
      readonly name: string
      readonly type: 'team' | 'enterprise-account'
    }
  }
  readonly membership_limit: number | null
  readonly name: string
  readonly provisioned_licenses: boolean
  readonly role: 'admin' | 'member' | 'viewer' | 'collaborator' | null
  readonly type: 'enterprise' | 'team'
  readonly updated_at: string
}

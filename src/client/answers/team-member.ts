/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type TeamMember = {
  readonly created_at: string
  readonly email: string
  readonly federated: boolean
  readonly id: string
  readonly identity_provider: null | {
    readonly id: string
    readonly name: string
    readonly redacted: boolean
    readonly owner: {
      readonly id: string
      readonly name: string
      readonly type: 'team' | 'enterprise-account'
    }
  }
  readonly role: 'admin' | 'member' | 'viewer' | 'collaborator' | null
  readonly two_factor_authentication: boolean
  readonly updated_at: string
  readonly user: { readonly email: string; readonly id: string; readonly name: string | null }
}

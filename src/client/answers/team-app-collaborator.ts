/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type TeamAppCollaborator = {
  readonly app: { readonly name: string; readonly id: string }
  readonly created_at: string
  readonly id: string
  readonly permissions: readonly { readonly name: string; readonly description: string }[]
  readonly role: 'admin' | 'collaborator' | 'member' | 'owner' | null
  readonly updated_at: string
  readonly user: { readonly email: string; readonly federated: boolean; readonly id: string }
}

/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type TeamFeature = {
  readonly created_at: string
  readonly description: string
  readonly doc_url: string
  readonly enabled: boolean
  readonly id: string
  readonly name: string
  readonly state: string
  readonly updated_at: string
  readonly display_name: string
  readonly feedback_email: string
}

/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type Cluster = {
  readonly number: number
  readonly leader: string
  readonly self: string
  readonly braked: boolean
  readonly hosts: number
}

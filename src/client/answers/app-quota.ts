/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type AppQuota = {
  readonly account_quota: number
  readonly quota_used: number
  readonly apps: readonly { readonly app_uuid: string; readonly quota_used: number }[]
}

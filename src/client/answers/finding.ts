/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type Finding = {
  readonly what: string
  readonly level: 'ok' | 'warn' | 'fail'
  readonly detail: string
  readonly todo: string | null
}

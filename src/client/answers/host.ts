/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type Host = {
  readonly name: string
  readonly state: string
  readonly roles: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  readonly address: string
  readonly version: string
  readonly protocol: number
  readonly server: string
  readonly since: string
  readonly leader: boolean
  readonly dynos: number | null
  readonly memory_bytes: number | null
  readonly reserved_bytes: number | null
  readonly load: number | null
}

/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type AppSetup = {
  readonly id: string
  readonly created_at: string
  readonly updated_at: string
  readonly status: 'failed' | 'pending' | 'succeeded'
  readonly failure_message: string | null
  readonly app: { readonly id: string; readonly name: string }
  readonly build: null | {
    readonly id: string
    readonly status: 'failed' | 'pending' | 'succeeded'
    readonly output_stream_url: string
  }
  readonly manifest_errors: readonly string[]
  readonly postdeploy: { readonly output: string; readonly exit_code: number } | null
  readonly resolved_success_url: string | null
}

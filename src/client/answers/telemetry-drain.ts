/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export type TelemetryDrain = {
  readonly created_at: string
  readonly id: string
  readonly owner: { readonly id: string; readonly type: 'app' | 'space' }
  readonly signals: readonly ('traces' | 'metrics' | 'logs')[]
  readonly exporter: {
    readonly type: 'otlphttp' | 'otlp'
    readonly endpoint: string
    readonly headers: Readonly<Record<string, string>>
  }
  readonly updated_at: string
}

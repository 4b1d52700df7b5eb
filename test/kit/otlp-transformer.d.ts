/** Types for what OpenTelemetry generates from its definitions of logs, as far as the tests use it. */
declare module '@opentelemetry/otlp-transformer/build/src/generated/root.js' {
  type Long = { toString(): string }
  type Attribute = { readonly key: string; readonly value: { readonly stringValue?: string } }
  type Record = {
    readonly timeUnixNano: Long
    readonly observedTimeUnixNano: Long
    readonly severityNumber: number
    readonly severityText: string
    readonly body: { readonly stringValue: string }
    readonly attributes: readonly Attribute[]
  }
  type Request = {
    readonly resourceLogs: readonly {
      readonly resource: { readonly attributes: readonly Attribute[] }
      readonly scopeLogs: readonly {
        readonly scope: { readonly name: string }
        readonly logRecords: readonly Record[]
      }[]
    }[]
  }
  type Response = {
    readonly partialSuccess?: { readonly rejectedLogRecords?: number; readonly errorMessage?: string }
  }
  const root: {
    readonly opentelemetry: {
      readonly proto: {
        readonly collector: {
          readonly logs: {
            readonly v1: {
              readonly ExportLogsServiceRequest: { decode(bytes: Uint8Array): Request }
              readonly ExportLogsServiceResponse: {
                encode(value: Response): { finish(): Uint8Array }
              }
            }
          }
        }
      }
    }
  }
  export default root
}

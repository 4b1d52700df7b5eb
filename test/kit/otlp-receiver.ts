/**
 * A receiver of logs over OTLP/HTTP that reads requests with OpenTelemetry's own decoder, and answers as its
 * script says. It shares no line with the product.
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import root from '@opentelemetry/otlp-transformer/build/src/generated/root.js'
import type { Test } from 'tap'

const { ExportLogsServiceRequest, ExportLogsServiceResponse } = root.opentelemetry.proto.collector.logs.v1

export type OtlpRecord = {
  readonly resource: Readonly<Record<string, string>>
  readonly scope: string
  readonly timeNs: string
  readonly observedNs: string
  readonly severity: readonly [number: number, text: string]
  readonly body: string
  readonly attributes: Readonly<Record<string, string>>
}

type Attributes = readonly { readonly key: string; readonly value: { readonly stringValue?: string } }[]

const textsOf = (attributes: Attributes): Record<string, string> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? '']))

/** The records of a request, in order. */
export const decodeRequest = (bytes: Uint8Array): OtlpRecord[] =>
  ExportLogsServiceRequest.decode(bytes).resourceLogs.flatMap(({ resource, scopeLogs }) =>
    scopeLogs.flatMap(({ scope, logRecords }) =>
      logRecords.map((record) => ({
        resource: textsOf(resource.attributes),
        scope: scope.name,
        timeNs: record.timeUnixNano.toString(),
        observedNs: record.observedTimeUnixNano.toString(),
        severity: [record.severityNumber, record.severityText] as const,
        body: record.body.stringValue,
        attributes: textsOf(record.attributes),
      })),
    ),
  )

/** An answer that rejects so many. */
export const encodeRejection = (rejectedLogRecords: number, errorMessage = ''): Uint8Array =>
  ExportLogsServiceResponse.encode({ partialSuccess: { rejectedLogRecords, errorMessage } }).finish()

type Answer = {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
}
type Received = {
  readonly target: string
  readonly headers: IncomingHttpHeaders
  readonly status: number
  readonly body: Buffer
  readonly records: readonly OtlpRecord[]
}
export type OtlpReceiver = {
  readonly url: string
  readonly received: Received[]
  /** What was wrong with requests. */
  readonly problems: string[]
}

/** Answers the n-th request with the n-th of `answers`, all others with 200. */
export const startOtlpReceiver = async (
  t: Test,
  answers: readonly (number | Answer)[] = [],
): Promise<OtlpReceiver> => {
  const received: Received[] = []
  const problems: string[] = []
  const take = (request: IncomingMessage, body: Buffer): Answer => {
    const scripted = answers[received.length] ?? 200
    const answer = typeof scripted === 'number' ? { status: scripted } : scripted
    const { headers, url: target = '' } = request
    const want = (holds: boolean, what: string): void => void (holds || problems.push(what))
    want(request.method === 'POST', `method ${request.method}`)
    want(headers['content-type'] === 'application/x-protobuf', 'type')
    want(headers['content-encoding'] === 'gzip', 'encoding')
    want(Number(headers['content-length']) === body.length, 'length')
    const records = decodeRequest(gunzipSync(body))
    received.push({ target, headers, status: answer.status, body, records })
    return answer
  }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { status, headers, body } = take(request, Buffer.concat(chunks))
      response.writeHead(status, { 'content-type': 'application/x-protobuf', ...headers }).end(body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received, problems }
}

/**
 * OTLP over HTTP, for logs: a batch is one POST of compressed protobuf (opentelemetry-proto,
 * docs/specification.md).
 *
 * What a receiver has rejected, whole or in part, is not sent again; only what it names temporary is.
 */
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { HttpAnswer, HttpProtocol } from '../syslog/http-link.ts'
import type { Frame, Outcome } from '../syslog/link.ts'
import type { LogMessage } from '../syslog/message.ts'
import { encodeLogs, readRejection, type ResourceLogs } from './logs.ts'

export type OtlpOptions = {
  /** Of each request; checked (endpoint.ts). */
  readonly headers: () => Promise<Readonly<Record<string, string>>>
  /** Who sends. */
  readonly scope: string
  readonly groupsOf: (messages: readonly LogMessage[], frame: Frame) => readonly ResourceLogs[]
}

const compress = promisify(gzip)
const messageCharsMax = 200
/** OTLP's own, and a time-out that the receiver admits to. */
const temporary: ReadonlySet<number> = new Set([408, 429, 502, 503, 504])

export const otlpProtocol = ({ headers, scope, groupsOf }: OtlpOptions): HttpProtocol => ({
  async request(messages, frame, authorization) {
    const bytes = messages.reduce((sum, { text }) => sum + text.length, 0)
    const body = await compress(encodeLogs(groupsOf(messages, frame), scope, 2 * bytes + 1024))
    const own = Object.entries(await headers())
    const isNamed = own.some(([name]) => name.toLowerCase() === 'authorization')
    const all = [
      ['Content-Type', 'application/x-protobuf'],
      ['Content-Encoding', 'gzip'],
      // Nothing said would be any.
      ['Accept-Encoding', 'identity'],
      ['User-Agent', `OTel-OTLP-Exporter-${scope}`],
      ...(authorization === undefined || isNamed ? [] : [['Authorization', authorization]]),
      ...own,
    ]
    return { headers: all.flat(), body }
  },
  outcome: (answer, count) => outcomeOf(answer, count),
})

const outcomeOf = ({ status, retryAfterMs, body }: HttpAnswer, count: number): Outcome => {
  if (status >= 200 && status < 300) {
    const rejection = body && readRejection(body)
    if (rejection === undefined) return { kind: 'delivered' }
    const { message } = rejection
    const why = message === '' ? '' : `: ${message.slice(0, messageCharsMax)}`
    const reason = `the receiver rejected ${Math.min(rejection.count, count)} of ${count} lines${why}`
    // With all of them the first, which may say what was lost before.
    if (rejection.count >= count) return { kind: 'refused', status, reason }
    return { kind: 'delivered', rejected: { count: rejection.count, reason } }
  }
  const reason = `the receiver answered ${status}`
  if (!temporary.has(status)) return { kind: 'refused', status, reason }
  return { kind: 'failed', reason, connected: true, ...(retryAfterMs !== undefined && { retryAfterMs }) }
}

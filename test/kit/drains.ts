/** Both ends of drains for a test: messages, sinks on the machine's clock, receivers' certificates. */
import type { Test } from 'tap'
import { issueFor, makeAuthority, makeKey, type Authority, type Pair } from '../../src/certs/certificate.ts'
import { parseDrainUrl } from '../../src/syslog/drain-url.ts'
import type { SinkLimits } from '../../src/syslog/limits.ts'
import type { LogMessage } from '../../src/syslog/message.ts'
import { openSink, type Frame, type Sink } from '../../src/syslog/sink.ts'
import { systemClock } from '../../src/system/clock.ts'

export const drainToken = 'd.8ec095b4-8960-39fa-b948-e9e21f27f5de'

/** The batch's name of that number. */
export const frameOf = (number: number): Frame => ({
  id: number.toString(16).toUpperCase().padStart(32, '0'),
  token: drainToken,
})

export const logMessage = (text: string | Uint8Array, change: Partial<LogMessage> = {}): LogMessage => ({
  atUs: 1_700_000_000_123_456,
  source: 'app',
  process: 'web.1',
  priority: 190,
  text: Buffer.from(text),
  ...change,
})

type SinkOptions = { readonly ca?: string; readonly limits?: Partial<SinkLimits> }

/** A sink that is closed with the test. */
export const sinkTo = (t: Test, url: string, { ca, limits = {} }: SinkOptions = {}): Sink => {
  const sink = openSink(parseDrainUrl(url), {
    clock: systemClock,
    random: () => 0,
    ...(ca !== undefined && { ca }),
    limits: { closeMs: 200, ...limits },
  })
  t.teardown(() => sink.close())
  return sink
}

const dayMs = 86_400_000

export type Identity = Pair & { readonly ca: string }

/** A receiver's certificate for `names`, by an authority made for it. @param days negative: it ended then */
export const receiverIdentity = (names: readonly [string, ...string[]], days = 5): Identity => {
  const startMs = Date.now() + Math.min(0, days - 5) * dayMs
  const authority: Authority = { ...makeAuthority('Receivers', startMs, 30), commonName: 'Receivers' }
  const key = makeKey()
  const certificate = issueFor(authority, key, names, startMs, days < 0 ? 5 : days)
  return { ca: authority.certificate, certificate, key }
}

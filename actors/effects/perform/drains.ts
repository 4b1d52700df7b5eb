/**
 * Performs Drains: one connection for each drain that is used, and frames of what waits for it.
 *
 * A frame's id follows from what it holds: a receiver that is sent one twice, because an answer or a host was
 * lost, can tell by the id (spec/logplex.md §1.15).
 */
import { createHash } from 'node:crypto'
import type { Effects } from '../../../src/ports/effects.ts'
import { parseDrainUrl, type DrainAddress } from '../../../src/syslog/drain-url.ts'
import { parseEndpoint } from '../../../src/otlp/endpoint.ts'
import { otlpProtocol } from '../../../src/otlp/protocol.ts'
import { frameBytes, logplexDialect, syslogDialect } from '../../../src/syslog/frame.ts'
import type { HttpProtocol } from '../../../src/syslog/http-link.ts'
import type { LogMessage } from '../../../src/syslog/message.ts'
import type { Sink } from '../../../src/syslog/sink.ts'
import { backlogBytesMax } from '../../logplex/backlog.ts'
import { isOfDrains, overflowLine } from '../../logplex/codes.ts'
import { messageOf } from '../../logplex/message.ts'
import { unpackBatch } from '../../logplex/packed.ts'
import { recordBytes, recordsOf, telemetryScope } from '../../logplex/telemetry.ts'
import type { Line } from '../../protocols/channel.ts'
import type { DrainTarget } from '../../protocols/drain.ts'
import type { Shipment, Shipped } from '../drains.ts'

export type DrainsDeps = {
  readonly openSink: (address: DrainAddress, protocol?: HttpProtocol) => Sink
  /** The headers of a telemetry drain. */
  readonly openHeaders: (appId: string, headersId: string) => Promise<Readonly<Record<string, string>>>
  readonly now: () => number
}
type Open = {
  /** When it was decided that it leads there. */
  readonly decidedAt: number
  readonly shown: string
  readonly bytesOf: (message: LogMessage) => number
  /** Of a frame. */
  readonly bytesMax: number
  /** What it sends names each line by its number. */
  readonly isNumbered: boolean
  readonly sink: Sink
}

/** Logplex's frames over HTTP (spec/logplex.md §1.3); telemetry's are as large. */
const requestBytesMax = 102_400
/** Over TCP nobody sees where one ends; what is under way is what a crash repeats. */
const writeBytesMax = 512 * 1024
const sinksMax = 10_000
/** What waits for receivers that are away: one that many drains share is away for all of them at once. */
const roomBytesMax = 256 * 1024 * 1024

export const performDrains = ({ openSink, openHeaders, now }: DrainsDeps): Effects => {
  const sinks = new Map<string, Open>()
  /** Drains that failed last. */
  const failing = new Set<string>()

  const close = async (id: string): Promise<void> => {
    const open = sinks.get(id)
    sinks.delete(id)
    failing.delete(id)
    await open?.sink.close()
  }

  const telemetryTo = ({ appId, url, telemetry, decidedAt }: DrainTarget): Open | null => {
    if (telemetry === null) return null
    const { appName, headersId } = telemetry
    const address = parseEndpoint(url)
    const protocol = otlpProtocol({
      headers: () => openHeaders(appId, headersId),
      scope: telemetryScope,
      groupsOf: (messages, frame) => recordsOf({ appId, appName }, messages, frame.id),
    })
    return {
      decidedAt,
      shown: address.shown,
      bytesOf: recordBytes,
      bytesMax: requestBytesMax,
      isNumbered: true,
      sink: openSink(address, protocol),
    }
  }

  const logTo = ({ url, token, decidedAt }: DrainTarget): Open => {
    const address = parseDrainUrl(url)
    const isHttp = address.scheme === 'http' || address.scheme === 'https'
    const dialect = isHttp ? logplexDialect : syslogDialect(token)
    const bytesOf = (message: LogMessage): number => frameBytes(message, dialect)
    const bytesMax = isHttp ? requestBytesMax : writeBytesMax
    return { decidedAt, shown: address.shown, bytesOf, bytesMax, isNumbered: false, sink: openSink(address) }
  }

  const sinkOf = ({ id, to }: Shipment): Open => {
    const found = sinks.get(id)
    sinks.delete(id)
    const isStill = found?.decidedAt === to.decidedAt
    if (found !== undefined && !isStill) void found.sink.close()
    const open = found !== undefined && isStill ? found : (telemetryTo(to) ?? logTo(to))
    // Behind all others: the first is the one that was not used for longest.
    sinks.set(id, open)
    const [oldest] = sinks.keys()
    if (sinks.size > sinksMax && oldest !== undefined) void close(oldest)
    return open
  }

  return {
    'drains.send': async (shipment: Shipment): Promise<Shipped> => {
      const open = sinkOf(shipment)
      const { shown, sink } = open
      const { lines, messages } = frameOf(shipment, open)
      const count = lines.length
      const part = { count, sinceUs: lines[0]?.atUs ?? 0, untilUs: lines.at(-1)?.atUs ?? 0 }
      if (shipment.loss !== null) messages.unshift(messageOf(overflowLine(shipment.loss, now() * 1000)))
      if (messages.length === 0) return { kind: 'delivered', ...part }
      const outcome = await sink.send(messages, { id: frameId(shipment, count), token: shipment.to.token })
      if (outcome.kind === 'failed') failing.add(shipment.id)
      else failing.delete(shipment.id)
      switch (outcome.kind) {
        case 'delivered':
          return { ...outcome, ...part }
        case 'refused':
          return { kind: 'refused', ...part, reason: outcome.reason }
        case 'failed': {
          const { reason, retryAfterMs = null } = outcome
          const certificate = outcome.certificate === true ? shown : null
          const room = Math.floor(Math.min(backlogBytesMax, roomBytesMax / failing.size))
          return { kind: 'failed', count, reason, certificate, retryAfterMs, room }
        }
      }
    },
    'drains.close': ({ id }: { id: string }) => close(id),
  }
}

type Part = { readonly lines: readonly Line[]; readonly messages: LogMessage[] }

/** As many lines as a frame takes, or just so many as are wanted; at least one. */
const frameOf = ({ batches, skip, count }: Shipment, { bytesOf, bytesMax, isNumbered }: Open): Part => {
  const lines: Line[] = []
  const messages: LogMessage[] = []
  let bytes = 0
  let toSkip = skip
  for (const batch of batches) {
    const { lines: all } = unpackBatch(batch.bytes)
    for (let at = toSkip; at < all.length; at++) {
      const line = all[at] as Line
      const message = messageOf(line)
      bytes += bytesOf(message)
      if (count === null ? lines.length > 0 && bytes > bytesMax : lines.length === count)
        return { lines, messages }
      lines.push(line)
      if (!isOfDrains(line)) messages.push(isNumbered ? { ...message, number: batch.first + at } : message)
    }
    toSkip = 0
  }
  return { lines, messages }
}

/** `Logplex-Frame-Id`: 32 upper-case hex digits. */
const frameId = ({ id, batches, skip, loss }: Shipment, count: number): string =>
  createHash('md5')
    .update(JSON.stringify([id, (batches[0]?.first ?? 0) + skip, batches[0]?.sequence, count, loss]))
    .digest('hex')
    .toUpperCase()

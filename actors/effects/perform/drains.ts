/**
 * Performs Drains: one connection for each drain that is used, and frames of what waits for it.
 *
 * A frame's id follows from what it holds: a receiver that is sent one twice, because an answer or a host was
 * lost, can tell by the id (spec/logplex.md §1.15).
 */
import { createHash } from 'node:crypto'
import type { Effects } from '../../../src/ports/effects.ts'
import { parseDrainUrl, type DrainAddress } from '../../../src/syslog/drain-url.ts'
import { frameBytes, logplexDialect, syslogDialect, type Dialect } from '../../../src/syslog/frame.ts'
import type { Sink } from '../../../src/syslog/sink.ts'
import { backlogBytesMax } from '../../logplex/backlog.ts'
import { isOfDrains, overflowLine } from '../../logplex/codes.ts'
import { messageOf } from '../../logplex/message.ts'
import type { Line } from '../../protocols/channel.ts'
import type { Shipment, Shipped } from '../drains.ts'
import { unpackBatch } from './history.ts'

export type DrainsDeps = {
  readonly openSink: (address: DrainAddress) => Sink
  readonly now: () => number
}
type Open = {
  readonly url: string
  readonly shown: string
  readonly dialect: Dialect
  readonly sink: Sink
}

/** Logplex's frames over HTTP (spec/logplex.md §1.3); packets over TCP are as large. */
const frameBytesMax = 102_400
const sinksMax = 10_000
/** What waits for receivers that are away: one that many drains share is away for all of them at once. */
const roomBytesMax = 256 * 1024 * 1024

export const performDrains = ({ openSink, now }: DrainsDeps): Effects => {
  const sinks = new Map<string, Open>()
  /** Drains that failed last. */
  const failing = new Set<string>()

  const close = async (id: string): Promise<void> => {
    const open = sinks.get(id)
    sinks.delete(id)
    failing.delete(id)
    await open?.sink.close()
  }

  const sinkOf = ({ id, url, token }: Shipment): Open => {
    const found = sinks.get(id)
    sinks.delete(id)
    if (found !== undefined && found.url !== url) void found.sink.close()
    const address = parseDrainUrl(url)
    const isHttp = address.scheme === 'http' || address.scheme === 'https'
    const made = (): Open => ({
      url,
      shown: address.shown,
      dialect: isHttp ? logplexDialect : syslogDialect(token),
      sink: openSink(address),
    })
    const open = found?.url === url ? found : made()
    // Behind all others: the first is the one that was not used for longest.
    sinks.set(id, open)
    const [oldest] = sinks.keys()
    if (sinks.size > sinksMax && oldest !== undefined) void close(oldest)
    return open
  }

  return {
    'drains.send': async (shipment: Shipment): Promise<Shipped> => {
      const { shown, dialect, sink } = sinkOf(shipment)
      const lines = frameOf(shipment, dialect)
      const count = lines.length
      const part = { count, sinceUs: lines[0]?.atUs ?? 0, untilUs: lines.at(-1)?.atUs ?? 0 }
      const messages = lines.filter((line) => !isOfDrains(line)).map(messageOf)
      if (shipment.loss !== null) messages.unshift(messageOf(overflowLine(shipment.loss, now() * 1000)))
      if (messages.length === 0) return { kind: 'delivered', ...part }
      const outcome = await sink.send(messages, { id: frameId(shipment, count), token: shipment.token })
      if (outcome.kind === 'failed') failing.add(shipment.id)
      else failing.delete(shipment.id)
      switch (outcome.kind) {
        case 'delivered':
          return { kind: 'delivered', ...part }
        case 'refused':
          return { kind: 'refused', ...part, status: outcome.status }
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

/** As many lines as a frame takes, or just so many as are wanted; at least one. */
const frameOf = ({ batches, skip, count }: Shipment, dialect: Dialect): readonly Line[] => {
  const lines: Line[] = []
  let bytes = 0
  let toSkip = skip
  for (const batch of batches) {
    for (const line of unpackBatch(batch.bytes).lines.slice(toSkip)) {
      bytes += frameBytes(messageOf(line), dialect)
      if (count === null ? lines.length > 0 && bytes > frameBytesMax : lines.length === count) return lines
      lines.push(line)
    }
    toSkip = 0
  }
  return lines
}

/** `Logplex-Frame-Id`: 32 upper-case hex digits. */
const frameId = ({ id, batches, skip, loss }: Shipment, count: number): string =>
  createHash('md5')
    .update(JSON.stringify([id, (batches[0]?.first ?? 0) + skip, batches[0]?.sequence, count, loss]))
    .digest('hex')
    .toUpperCase()

/**
 * Where a drain's messages leave: one connection, opened by the first batch and kept while it serves, one
 * batch in flight. It tries each batch once: what comes of it, and whether it is tried again, is for whoever
 * sends.
 */
import assert from 'node:assert/strict'
import type { DrainAddress } from './drain-url.ts'
import { openHttpLink, type HttpProtocol } from './http-link.ts'
import { sinkLimitsByDefault } from './limits.ts'
import type { Failure, Frame, Link, LinkDeps, Outcome, SinkClock, SinkDeps } from './link.ts'
import { logplexProtocol } from './logplex-protocol.ts'
import type { LogMessage } from './message.ts'
import { openSyslogLink } from './syslog-link.ts'

export type { Frame, Outcome, SinkDeps } from './link.ts'

export type Sink = {
  /**
   * One at a time; never rejects. The caller bounds a batch (`fitting`), and every wait in here has its own
   * bound (limits.ts).
   */
  readonly send: (messages: readonly LogMessage[], frame: Frame) => Promise<Outcome>
  /** Waits for the batch in flight, ends the connection behind it; nothing may be sent afterwards. */
  readonly close: () => Promise<void>
}

/**
 * Connects to nothing until the first batch.
 *
 * @param protocol what is spoken over HTTP
 */
export const openSink = (
  address: DrainAddress,
  sinkDeps: SinkDeps,
  protocol: HttpProtocol = logplexProtocol,
): Sink => {
  const limits = { ...sinkLimitsByDefault, ...sinkDeps.limits }
  const deps: LinkDeps = { ...sinkDeps, address, limits }
  const { clock, random } = deps
  const isHttp = address.scheme === 'http' || address.scheme === 'https'
  const idleMs = isHttp ? limits.httpIdleMs : limits.syslogIdleMs

  let kept: { readonly link: Link; readonly untilMs: number } | undefined
  let idle: { readonly cancel: () => void } | undefined
  let sending: Promise<unknown> | undefined
  let isClosed = false
  const closing = new Set<Promise<void>>()

  const letGo = (): void => {
    idle?.cancel()
    if (kept === undefined) return
    const done = kept.link.close().finally(() => closing.delete(done))
    closing.add(done)
    kept = undefined
  }

  const takeLink = async (): Promise<Link | Failure> => {
    idle?.cancel()
    if (kept !== undefined) {
      // Its end may have come and not been looked at: a batch would go into it and be lost.
      await eventsSeen(clock)
      if (kept.link.usable && clock.monotonicMs() < kept.untilMs) return kept.link
      letGo()
    }
    const link = await (isHttp ? openHttpLink(deps, protocol) : openSyslogLink(deps))
    if ('kind' in link) return link
    kept = { link, untilMs: clock.monotonicMs() + limits.ageMs + random() * limits.ageJitterMs }
    return link
  }

  const attempt = async (messages: readonly LogMessage[], frame: Frame): Promise<Outcome> => {
    const link = await takeLink()
    if ('kind' in link) return link
    const outcome = await link.send(messages, frame)
    if (outcome.kind === 'failed') {
      link.destroy()
      kept = undefined
    } else {
      idle = clock.after(idleMs + random() * limits.idleJitterMs, letGo)
    }
    return outcome
  }

  return {
    send(messages, frame) {
      assert(!isClosed, 'a closed sink takes no batch')
      assert(sending === undefined, 'one batch at a time')
      assert(messages.length > 0, 'a batch has messages')
      assert(/^[0-9A-F]{32}$/.test(frame.id))
      const sent = attempt(messages, frame).finally(() => (sending = undefined))
      sending = sent
      return sent
    },
    async close() {
      isClosed = true
      await sending?.catch(() => {})
      letGo()
      await Promise.all(closing)
    },
  }
}

/** The first turn may be the one that is under way; before the second the system was asked for news. */
const eventsSeen = (clock: SinkClock): Promise<void> =>
  new Promise((resolve) => clock.soon(() => clock.soon(resolve)))

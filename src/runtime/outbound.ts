/**
 * What leaves for other hosts: one batch per host per tick, in the order it was sent.
 *
 * A batch is bounded in messages and in bytes (the transport's bound); a larger one is split, and one message
 * that alone is too large goes nowhere.
 */
import type { Clock } from '../ports/clock.ts'
import type { Transport } from '../ports/transport.ts'
import { encode } from './codec.ts'
import { toBatch, type Outgoing } from './envelope.ts'
import type { Limits } from './limits.ts'

export type OutboundPorts = {
  readonly clock: Clock
  readonly transport: Transport
  readonly limits: Limits
  readonly versionOf: (type: string) => number
  /** For what surely did not arrive: nobody listens there, it cannot be encoded, or it is too large. */
  readonly undelivered: (out: Outgoing, reason: 'unreachable' | 'too_large' | 'malformed') => void
  /** In a slice now: its end flushes. */
  readonly inSlice: () => boolean
}

export class Outbound {
  readonly #ports: OutboundPorts
  readonly #queues = new Map<string, Outgoing[]>()
  readonly #tick = (): void => {
    this.#armed = false
    this.flush()
  }
  #waiting = 0
  #armed = false

  constructor(ports: OutboundPorts) {
    this.#ports = ports
  }

  get waiting(): number {
    return this.#waiting
  }

  send(host: string, out: Outgoing): void {
    let queue = this.#queues.get(host)
    if (queue === undefined) {
      queue = []
      this.#queues.set(host, queue)
    }
    queue.push(out)
    this.#waiting += 1
    if (queue.length >= this.#ports.limits.batchMessagesMax) this.#flushHost(host, queue)
    else if (!this.#armed && !this.#ports.inSlice()) {
      this.#armed = true
      this.#ports.clock.soon(this.#tick)
    }
  }

  /** Sends what waits. */
  flush(): void {
    if (this.#waiting === 0) return
    for (const [host, queue] of this.#queues) this.#flushHost(host, queue)
    this.#queues.clear()
  }

  clear(): void {
    this.#queues.clear()
    this.#waiting = 0
  }

  #flushHost(host: string, queue: Outgoing[]): void {
    if (queue.length === 0) return
    this.#waiting -= queue.length
    this.#queues.set(host, [])
    this.#sendBatch(host, queue)
  }

  #sendBatch(host: string, batch: readonly Outgoing[]): void {
    const bytes = this.#encode(batch)
    if (bytes !== undefined && bytes.length <= this.#ports.transport.batchBytesMax) {
      this.#ports.transport.send(host, bytes, () => {
        for (const out of batch) this.#ports.undelivered(out, 'unreachable')
      })
      return
    }
    const [only] = batch
    if (batch.length === 1 && only !== undefined) {
      return this.#ports.undelivered(only, bytes === undefined ? 'malformed' : 'too_large')
    }
    const middle = batch.length >> 1
    this.#sendBatch(host, batch.slice(0, middle))
    this.#sendBatch(host, batch.slice(middle))
  }

  /** Undefined when something in it cannot be encoded. */
  #encode(batch: readonly Outgoing[]): Uint8Array | undefined {
    const nowMs = this.#ports.clock.now()
    try {
      return encode(toBatch(batch, this.#ports.versionOf, nowMs))
    } catch {
      return undefined
    }
  }
}

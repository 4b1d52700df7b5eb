/**
 * Bytes between hosts. Best effort: a message may be lost, late, doubled or reordered; what arrives is whole.
 * One inbox a host; the runtime batches a tick's messages for one host into one `send`.
 */
export type Transport = {
  /** `unreachable` is called when it is certain that nobody received this batch (no responders). */
  send(host: string, batch: Uint8Array, unreachable?: () => void): void
  /** Messages for this host, from now on. */
  listen(host: string, onBatch: (batch: Uint8Array, from: string) => void): void
  /** To everyone who listens to `topic` now: announcements that are repeated anyway. */
  publish(topic: string, body: Uint8Array): void
  /** `from` is the host that published it, as far as the bus vouches for its senders. */
  subscribe(topic: string, onBody: (body: Uint8Array, from: string) => void): { readonly close: () => void }
  /** Largest batch in bytes that `send` takes. */
  readonly batchBytesMax: number
  /** Connected now, as far as this side can tell; `changed` fires on each change. */
  connected(): boolean
  onConnection(changed: (connected: boolean) => void): void
  close(): Promise<void>
}

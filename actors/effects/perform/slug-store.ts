/**
 * A slug on its way into the object store while it is packed: the disk of the record works beside the
 * compressor, and nothing is read twice. It has its name once all of it is there.
 */
import type { Objects } from '../../../src/ports/store.ts'

export type SlugStore = {
  /** Resolves when there is room for more. Rejects as the store does. */
  readonly write: (bytes: Uint8Array) => Promise<void>
  /** All was written. @returns its sum (sha256, hex), when it is durable. Rejects as the store does */
  readonly end: () => Promise<string>
  /** What was written is nobody's, unless it was ended: the store takes it away. */
  readonly drop: () => void
}

const waitingBytesMax = 8 * 1024 ** 2

export const openSlugStore = (
  objects: Pick<Objects, 'put'>,
  nameOf: (sha256: string) => string,
): SlugStore => {
  let begun: Way | undefined
  const way = (): Way => (begun ??= begin(objects, nameOf))
  return {
    write: async (bytes) => {
      const { writer, stored } = way()
      try {
        await writer.ready
        writer.write(bytes).catch(() => undefined)
      } catch {
        await stored
      }
    },
    end: async () => {
      const { writer, stored } = way()
      writer.close().catch(() => undefined)
      return (await stored).sha256
    },
    drop: () => void begun?.writer.abort(new Error('the slug is not wanted')).catch(() => undefined),
  }
}

type Way = {
  readonly writer: WritableStreamDefaultWriter<Uint8Array>
  readonly stored: ReturnType<Objects['put']>
}

const begin = (objects: Pick<Objects, 'put'>, nameOf: (sha256: string) => string): Way => {
  const waiting = new ByteLengthQueuingStrategy({ highWaterMark: waitingBytesMax })
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>(undefined, undefined, waiting)
  const writer = writable.getWriter()
  const stored = objects.put(nameOf, readable)
  // Whoever writes or ends it is told.
  for (const each of [stored, writer.closed]) each.catch(() => undefined)
  return { writer, stored }
}

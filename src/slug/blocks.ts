/**
 * A stream cut into blocks of one size, in memory that is used again: what passes by the hundred megabytes
 * in buffers of its own makes the collector go through the whole heap each few megabytes.
 */

export type Blocks = {
  /** The stream's bytes; each block is as long as the size, the last one may be shorter. */
  readonly of: (source: AsyncIterable<Uint8Array>) => AsyncGenerator<Buffer, void, undefined>
  /** Nobody reads the block any more. One that is not given back is left to the collector. */
  readonly done: (block: Buffer) => void
}

/** For one stream. The source may use its pieces again as soon as it is asked for the next. */
export const openBlocks = (blockBytes: number): Blocks => {
  const spare: Buffer[] = []
  const next = (): Buffer => spare.pop() ?? Buffer.allocUnsafeSlow(blockBytes)
  return {
    async *of(source) {
      let block = next()
      let held = 0
      for await (const piece of source) {
        for (let at = 0; at < piece.length;) {
          const count = Math.min(blockBytes - held, piece.length - at)
          block.set(piece.subarray(at, at + count), held)
          at += count
          held += count
          if (held < blockBytes) continue
          yield block
          block = next()
          held = 0
        }
      }
      if (held > 0) yield block.subarray(0, held)
    },
    done: (block) => {
      if (block.length === blockBytes) spare.push(block)
    },
  }
}

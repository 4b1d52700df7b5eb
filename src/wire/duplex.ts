/** A wire as one of Node's streams, for what knows no other kind of connection. */
import { Duplex } from 'node:stream'
import type { Wire } from './wire.ts'

/** @param first bytes that were read from it already */
export function duplexOf(wire: Wire, first: Buffer): Duplex {
  let written: (() => void) | null = null
  const duplex = new Duplex({
    allowHalfOpen: true,
    read: () => wire.resume(),
    write: (bytes: Buffer, _encoding, done) => {
      if (wire.write(bytes)) done()
      else written = done
    },
    final: (done) => {
      wire.end()
      done()
    },
    destroy: (error, done) => {
      if (error === null) wire.destroySoon()
      else wire.reset()
      done(null)
    },
  })
  wire.use({
    wireBytes: (bytes) => {
      if (!duplex.push(wire.lent ? wire.owned(bytes) : bytes)) wire.pause()
    },
    wireEnded: () => void duplex.push(null),
    wireDrained: () => {
      const done = written
      written = null
      done?.()
    },
    wireClosed: () => void duplex.destroy(),
  })
  if (first.length > 0) duplex.push(first)
  return duplex
}

/**
 * A process executed on another host, over one connection: its three streams, its exit status, and what is
 * told to it.
 *
 *   type (1 byte)  length (4 bytes, big-endian)  bytes…
 *
 * to the process: 0 input, 1 end of input, 2 size of the terminal, 3 hang up; from it: 0 output, 1 error
 * output, 2 exit status, which comes last. Whoever loses the connection takes the other side for gone.
 */
import { Duplex, PassThrough, type Readable } from 'node:stream'
import type { Executed } from '../oci/driver.ts'

const headBytes = 5
const frameBytesMax = 1024 * 1024
const to = { input: 0, endOfInput: 1, size: 2, hangup: 3 } as const
const from = { output: 0, errors: 1, exit: 2 } as const
/** Status of a process of which nobody knows any more. */
const lostCode = 255

type Frame = { readonly type: number; readonly bytes: Buffer }

const framed = (type: number, bytes: Buffer): Buffer => {
  const head = Buffer.alloc(headBytes)
  head.writeUInt8(type)
  head.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}

/** Cuts what comes into frames. Throws for what is none. */
const frameReader = (): ((chunk: Buffer) => readonly Frame[]) => {
  let held: Buffer = Buffer.alloc(0)
  return (chunk) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    const frames: Frame[] = []
    let at = 0
    while (held.length - at >= headBytes) {
      const length = held.readUInt32BE(at + 1)
      if (length > frameBytesMax) throw new RangeError(`a frame of ${length} bytes`)
      if (held.length - at < headBytes + length) break
      const start = at + headBytes
      frames.push({ type: held.readUInt8(at), bytes: held.subarray(start, start + length) })
      at = start + length
    }
    held = held.subarray(at)
    return frames
  }
}

/**
 * The side of the process: what is read from it goes to the other host, what is written to it came from
 * there.
 */
export const carry = (executed: Executed): Duplex => {
  const { stdin, output, errors } = executed
  const frames = frameReader()
  const sources = [output, errors]
  const duplex = new Duplex({
    read: () => {
      for (const source of sources) source.resume()
    },
    write: (chunk: Buffer, _encoding, done) => {
      try {
        let isFull = false
        for (const { type, bytes } of frames(chunk)) {
          if (type === to.input) isFull = !stdin.write(bytes)
          else if (type === to.endOfInput) stdin.end()
          else if (type === to.size && bytes.length === 4)
            executed.resize(bytes.readUInt16BE(0), bytes.readUInt16BE(2))
          else if (type === to.hangup) executed.hangup()
        }
        if (isFull && !stdin.destroyed) onceAny(stdin, ['drain', 'close', 'error'], () => done())
        else done()
      } catch (error) {
        done(error as Error)
      }
    },
    final: (done) => {
      stdin.end()
      done()
    },
    destroy: (error, done) => {
      executed.hangup()
      for (const source of sources) source.resume()
      done(error)
    },
  })
  const pass = (source: Readable, type: number): Promise<void> =>
    new Promise((resolve) => {
      source.on('data', (chunk: Buffer) => {
        if (!duplex.destroyed && !duplex.push(framed(type, chunk))) for (const each of sources) each.pause()
      })
      onceAny(source, ['end', 'close'], resolve)
    })
  const passed = [pass(output, from.output), pass(errors, from.errors)]
  void Promise.all([executed.exit, ...passed]).then(([{ code }]) => {
    if (duplex.destroyed) return
    const status = Buffer.alloc(4)
    status.writeInt32BE(code)
    duplex.push(framed(from.exit, status))
    duplex.push(null)
  })
  return duplex
}

/** The side of whoever uses it. @param duplex as `carry` gave it on the other host, over some connection */
export const carried = (duplex: Duplex): Executed => {
  const [output, errors] = [new PassThrough(), new PassThrough()]
  const exit = Promise.withResolvers<{ code: number }>()
  const frames = frameReader()
  const send = (type: number, bytes: Buffer = Buffer.alloc(0), done?: () => void): void => {
    if (duplex.destroyed || duplex.writableEnded) done?.()
    else duplex.write(framed(type, bytes), () => done?.())
  }
  const over = (code: number): void => {
    output.end()
    errors.end()
    exit.resolve({ code })
  }
  const stdin = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => send(to.input, chunk, () => done()),
    final: (done) => send(to.endOfInput, undefined, () => done()),
  })
  duplex.on('data', (chunk: Buffer) => {
    try {
      for (const { type, bytes } of frames(chunk)) {
        if (type === from.exit) {
          over(bytes.readInt32BE(0))
          duplex.end()
          continue
        }
        const stream = type === from.output ? output : errors
        if (stream.write(bytes)) continue
        duplex.pause()
        stream.once('drain', () => duplex.resume())
      }
    } catch {
      duplex.destroy()
    }
  })
  duplex.on('error', () => duplex.destroy())
  // After its exit status this says nothing new.
  onceAny(duplex, ['end', 'close'], () => over(lostCode))
  return {
    stdin,
    output,
    errors,
    exit: exit.promise,
    hangup: () => send(to.hangup),
    resize: (columns, rows) => {
      const size = Buffer.alloc(4)
      size.writeUInt16BE(bounded(columns), 0)
      size.writeUInt16BE(bounded(rows), 2)
      send(to.size, size)
    },
  }
}

const bounded = (size: number): number => Math.min(65_535, Math.max(1, Math.trunc(size)))

const onceAny = (source: NodeJS.EventEmitter, events: readonly string[], then: () => void): void => {
  const heard = (): void => {
    for (const event of events) source.off(event, heard)
    then()
  }
  for (const event of events) source.on(event, heard)
}

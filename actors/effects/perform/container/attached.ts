/**
 * An attached process: the client's socket on one side, the process on the other (spec sheet cli-api §2.5).
 *
 * Raw bytes both ways with back-pressure. Without a terminal the client ends its input by one 0x04. The line
 * by which the CLI learns the exit status is never split over two writes, and is written for a process that
 * died without it.
 */
import { Transform, type Duplex, type TransformCallback } from 'node:stream'
import type { Attached } from '../../../../src/oci/driver.ts'

const endOfTransmission = 0x04
// U+FFFF in UTF-8: the CLI's marker begins with it.
const markerStart = Buffer.from('￿', 'utf8')
const markerText = 'heroku-command-exit-status: '
const heldBytesMax = 4_096

/** Passes bytes on, but holds back from the marker's first byte until its line is whole. */
const wholeMarker = (seen: () => void): Transform => {
  let held: Buffer = Buffer.alloc(0)
  const cut = (bytes: Buffer): number => {
    const at = bytes.lastIndexOf(markerStart)
    if (at >= 0) {
      if (bytes.indexOf(markerText, at) >= 0) seen()
      return bytes.indexOf(10, at) >= 0 ? bytes.length : at
    }
    // The first one or two bytes of the marker may end this chunk.
    for (const length of [2, 1])
      if (bytes.subarray(-length).equals(markerStart.subarray(0, length))) return bytes.length - length
    return bytes.length
  }
  return new Transform({
    transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback) {
      const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk])
      const end = bytes.length > heldBytesMax + chunk.length ? bytes.length : cut(bytes)
      held = bytes.subarray(end)
      done(null, end === 0 ? undefined : bytes.subarray(0, end))
    },
    flush(done: TransformCallback) {
      done(null, held.length === 0 ? undefined : held)
    },
  })
}

/**
 * Lets input through; without a terminal a chunk that ends in 0x04 is the last one. What still comes is read
 * and let go: a client that is not read from could go away unseen.
 */
const untilEndOfTransmission = (): Transform => {
  let hasEnded = false
  return new Transform({
    transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback) {
      if (hasEnded) return done()
      if (chunk.at(-1) !== endOfTransmission) return done(null, chunk)
      hasEnded = true
      if (chunk.length > 1) this.push(chunk.subarray(0, -1))
      this.push(null)
      return done()
    },
  })
}

export type Joined = {
  /** Resolves when the process has ended and its output is with the client. */
  readonly done: Promise<void>
  /** Whether the client was gone before the process was. */
  readonly left: Promise<boolean>
  /** How long neither has said anything. */
  readonly quietMs: () => number
  /** Sends the client away. */
  readonly close: () => void
}

type How = {
  readonly hasTerminal: boolean
  readonly wantsMarker: boolean
  /** Milliseconds of any clock. */
  readonly now: () => number
}

/** Joins the two until one of them is gone. */
export const joinAttached = (
  client: Duplex,
  attached: Pick<Attached, 'stdin' | 'output'> & { readonly exit: Promise<{ readonly code: number | null }> },
  { hasTerminal, wantsMarker, now }: How,
): Joined => {
  let marked = false
  let lastAt = now()
  const ignore = (): void => undefined
  const touch = (): void => void (lastAt = now())
  for (const stream of [client, attached.stdin, attached.output]) stream.on('error', ignore)
  client.on('data', touch)
  attached.output.on('data', touch)
  if (hasTerminal) client.pipe(attached.stdin)
  else client.pipe(untilEndOfTransmission()).on('error', ignore).pipe(attached.stdin)
  const output = wholeMarker(() => {
    marked = true
  })
  attached.output.pipe(output).pipe(client, { end: false })
  const left = Promise.withResolvers<boolean>()
  client.once('close', () => {
    left.resolve(true)
    // Nobody reads any more: a process that goes on must not be held up by what it says.
    output.unpipe(client).resume()
  })
  const drained = new Promise<void>((resolve) => output.once('end', resolve).once('close', resolve))
  const finish = async (): Promise<void> => {
    const { code } = await attached.exit
    left.resolve(false)
    await drained
    if (wantsMarker && !marked) client.write(statusLine(code ?? killedCode))
    client.end()
  }
  return {
    done: finish(),
    left: left.promise,
    quietMs: () => now() - lastAt,
    close: () => void client.destroy(),
  }
}

/** 128 + SIGKILL. */
const killedCode = 137

/** The line by which the CLI learns an exit status. */
export const statusLine = (code: number): string => `\uFFFF ${markerText}${code}\n`

/** Whether the command was wrapped by `heroku run --exit-code`. */
export const asksForMarker = (command: string): boolean => command.includes(markerText)

/**
 * Log lines over a TCP or TLS connection: octet-counted frames (RFC 6587), each with the token that it is for
 * as its APP-NAME. Nobody is answered there: a connection is read no further while an app's lines find no
 * room. One whose channel takes nothing for long is not waited for, for others may come behind it: its lines
 * are counted, and said in its log.
 */
import type { Duplex } from 'node:stream'
import type { Clock } from '../../../src/ports/clock.ts'
import { FrameParser, parseMessage } from '../../../src/syslog/parse.ts'
import type { Line } from '../../protocols/channel.ts'
import { addLines } from './arrived.ts'
import type { Lanes } from './lanes.ts'
import type { Destination, Tokens } from './tokens.ts'

/** What came in and is nobody's, by why. */
export type Astray = { readonly malformed: number; readonly unknownToken: number }

export type SyslogDeps = {
  readonly tokens: Tokens
  readonly lanes: Lanes
  readonly clock: Clock
  readonly isClosing: () => boolean
  readonly astray: (what: Astray) => void
}

/** Who has shown no token that is good keeps no connection from those who have. */
const strangerMsMax = 30_000
/** A channel moves, or its host is given up, in less. */
const stuckMsMax = 10_000
const lookAgainMs = 500
/**
 * Connections, those that are closed by now too, of which it cannot be known whose lines they brought: as
 * many again as may be open.
 */
const unsureMax = 2_048
/**
 * Of what is no frame, and has no LF behind which there may be one: a sender that has lost count would go on
 * so for ever. One that is let go begins anew.
 */
const strayBytesMax = 256 * 1024
/** Much less than there may be of an app; a message may have thousands of lines. */
const loadBytesMax = 256 * 1024

type Load = { readonly appId: string; readonly lines: Line[]; bytes: number }
type Find = (token: string) => Promise<Destination | undefined>

/** What it gives resolves when a connection is at its end, and all that came is on its way. */
export const syslogReader = (deps: SyslogDeps): ((socket: Duplex) => Promise<void>) => {
  const { tokens, clock, isClosing } = deps
  let unsure = 0

  /** Waits for as long as it cannot be known, but not beyond the end of this process. */
  const wait = async (token: string): Promise<Destination | undefined> => {
    if (unsure >= unsureMax) return undefined
    unsure += 1
    try {
      while (!isClosing()) {
        await new Promise<void>((resolve) => void clock.after(lookAgainMs, resolve))
        try {
          return await tokens.find(token)
        } catch {
          continue
        }
      }
      return undefined
    } finally {
      unsure -= 1
    }
  }

  return async (socket) => {
    const parser = new FrameParser()
    let malformed = 0
    let isUnsure = false
    const find: Find = (token) =>
      tokens.find(token).catch(async () => {
        isUnsure = true
        const found = await wait(token)
        isUnsure = false
        return found
      })
    // Who cannot be told whether its token is good has its time anew.
    const sendAway = (): void => {
      if (isUnsure) stranger = clock.after(strangerMsMax, sendAway)
      else socket.destroy()
    }
    let stranger = clock.after(strangerMsMax, sendAway)
    try {
      for await (const piece of piecesOf(socket)) {
        const frames = parser.feed(piece)
        const { loads, ...astray } = await sort(frames, find, Math.round(clock.now() * 1000))
        for (const load of loads) if (2 * load.bytes < piece.length) detach(load)
        if (loads.length > 0) stranger.cancel()
        for (const load of loads) await bring(load, deps)
        const bad = astray.malformed + parser.malformed - malformed
        malformed = parser.malformed
        if (bad + astray.unknownToken > 0) deps.astray({ malformed: bad, unknownToken: astray.unknownToken })
        if (isClosing() || parser.strayBytes > strayBytesMax) return
      }
    } catch {
      // What is wrong with one connection ends that one alone.
    } finally {
      stranger.cancel()
      if (parser.isCut) deps.astray({ malformed: 1, unknownToken: 0 })
      socket.destroy()
    }
  }
}

/** What came before the connection broke is taken, too. */
async function* piecesOf(socket: Duplex): AsyncGenerator<Buffer> {
  try {
    yield* socket as AsyncIterable<Buffer>
  } catch {
    const rest = socket.read() as Buffer | null
    if (rest !== null) yield rest
  }
}

/** The lines of each app in order, in loads that find room one by one. */
const sort = async (
  frames: readonly Buffer[],
  find: Find,
  nowUs: number,
): Promise<{ readonly loads: readonly Load[] } & Astray> => {
  const loads: Load[] = []
  const open = new Map<string, Load>()
  const found = new Map<string, Destination | undefined>()
  let malformed = 0
  let unknownToken = 0
  for (const frame of frames) {
    const message = parseMessage(frame)
    if (message === undefined || !message.source.startsWith('t.')) {
      malformed += 1
      continue
    }
    const token = message.source
    if (!found.has(token)) found.set(token, await find(token))
    const to = found.get(token)
    if (to === undefined) {
      unknownToken += 1
      continue
    }
    const { appId } = to
    const last = open.get(appId)
    const load = last !== undefined && last.bytes < loadBytesMax ? last : { appId, lines: [], bytes: 0 }
    if (load !== last) loads.push(load)
    open.set(appId, load)
    load.bytes += frame.length + addLines(message, to.name, nowUs, load.lines)
  }
  return { loads, malformed, unknownToken }
}

/** From the memory of the piece that they came in, of which they are a small part. */
const detach = ({ lines }: Load): void => {
  for (const [at, line] of lines.entries()) lines[at] = { ...line, text: new Uint8Array(line.text) }
}

const bring = async ({ appId, lines, bytes }: Load, deps: SyslogDeps): Promise<void> => {
  const { lanes, isClosing } = deps
  while (!lanes.reserve(appId, bytes)) {
    if (lanes.stuckMs(appId) > stuckMsMax || isClosing()) {
      lanes.lose(appId, lines.length, lines[0]?.atUs ?? 0)
      return
    }
    await lanes.room(lookAgainMs)
  }
  void lanes.push(appId, lines, bytes)
}

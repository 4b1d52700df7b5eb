/**
 * Tails of this host: each gives the past of an app and then what comes, each line once and in order.
 *
 * However many there are of an app, its stream is followed once, and a line is decoded and written out once,
 * into a window that goes with the last of them. The past is in it too, so a tail that opens joins history
 * and live at one place. All windows together are bounded in bytes: when they are too large each gets the
 * same share. Lines leave in bursts, so that hundreds of readers cost a write each for many lines.
 */
import type { Clock, Timer } from '../../src/ports/clock.ts'
import type { Following, Recorded, Stream } from '../../src/ports/stream.ts'
import { unpackBatch } from './packed.ts'
import { tailAwayLine } from './codes.ts'
import type { LineFilter } from './line.ts'
import { parseCursor, told, type Form } from './tail-line.ts'
import { tailReader, type TailReader, type TailSink } from './tail-reader.ts'
import { tailWindow } from './tail-window.ts'

export type TailWanted = {
  readonly appId: string
  /** How many lines of the past. */
  readonly lines: number
  /** Go on with what comes; without it the end comes after the past. */
  readonly tail: boolean
  readonly filter: LineFilter
  readonly form: Form
  /** The last id that the reader has: all behind it is given, whatever `lines` says. */
  readonly lastId?: string | undefined
}

export type Tail = {
  /** The sink takes more. */
  readonly ready: () => void
  /** Ends once it has given what there is now. */
  readonly finish: () => void
  /** Gives nothing more. */
  readonly close: () => void
}
export type Tails = { readonly open: (wanted: TailWanted, sink: TailSink) => Tail }

/** 1,500 of the longest lines. */
const windowBytesMax = 16 * 1024 * 1024
export const allWindowsBytesMax = 256 * 1024 * 1024
/** Between two bursts: for one reader hardly anything, for hundreds it is what spares them. */
const burstMsMax = 50

type Hub = {
  readonly open: (wanted: TailWanted, sink: TailSink) => Tail
  readonly bytes: () => number
  /** Lets go of the oldest lines beyond that. */
  readonly shrink: (bytesMax: number) => void
}

export const openTails = (stream: Stream, clock: Clock, bytesMax = allWindowsBytesMax): Tails => {
  const hubs = new Map<string, Hub>()
  let bytesAll = 0
  /** What one of them may hold. */
  const shareOf = (): number =>
    bytesAll <= bytesMax ? windowBytesMax : Math.min(windowBytesMax, bytesMax / hubs.size)
  const grown = (bytes: number): void => {
    bytesAll += bytes
    if (bytes <= 0 || bytesAll <= bytesMax) return
    const share = shareOf()
    for (const hub of hubs.values()) hub.shrink(share)
  }
  return {
    open(wanted, sink) {
      const { appId } = wanted
      const known = hubs.get(appId)
      if (known !== undefined) return known.open(wanted, sink)
      const hub = openHub({ stream, clock, appId, shareOf, grown, gone: () => void hubs.delete(appId) })
      hubs.set(appId, hub)
      return hub.open(wanted, sink)
    },
  }
}

type HubOptions = {
  readonly stream: Stream
  readonly clock: Clock
  readonly appId: string
  readonly shareOf: () => number
  /** It holds so many bytes more. */
  readonly grown: (bytes: number) => void
  /** Nobody reads it any more. */
  readonly gone: () => void
}
/** Who opened and waits for the past. */
type Early = { readonly begin: () => void; readonly fail: () => void }

const openHub = ({ stream, clock, appId, shareOf, grown, gone }: HubOptions): Hub => {
  const window = tailWindow()
  const readers = new Set<TailReader>()
  const waiting = new Set<Early>()
  let isLoaded = false
  /** The newest batch that is here. */
  let newest = 0
  let following: Following | undefined
  let burst: Timer | undefined
  let burstAt = 0
  let isGone = false
  const nowUs = (): number => clock.now() * 1000

  const flush = (): void => {
    burst?.cancel()
    burst = undefined
    burstAt = clock.monotonicMs()
    for (const reader of readers) reader.pump()
    window.rest()
  }
  const shrink = (bytesMax: number): void => {
    const start = window.bound(bytesMax)
    if (start <= window.start()) return
    // Who can take them gets them first.
    if (burst !== undefined) flush()
    if (isGone) return
    const before = window.bytes()
    for (const reader of readers) reader.skip(start)
    window.forget(start)
    grown(window.bytes() - before)
  }
  const take = ({ sequence, bytes }: Recorded): void => {
    if (isGone || sequence <= newest) return
    newest = sequence
    const before = window.bytes()
    window.append(sequence, unpackBatch(bytes))
    const dueAt = burstAt + Math.min(burstMsMax, readers.size)
    burst ??= clock.after(Math.max(0, dueAt - clock.monotonicMs()), flush)
    grown(window.bytes() - before)
    shrink(shareOf())
  }
  const leave = (): void => {
    if (isGone || readers.size + waiting.size > 0) return
    isGone = true
    following?.close()
    burst?.cancel()
    grown(-window.bytes())
    gone()
  }
  const load = async (): Promise<void> => {
    const past = await stream.read(appId)
    if (isGone) return
    past.forEach(take)
    following = stream.follow(appId, take, newest + 1)
  }
  /** All that was stored before is here then, also when this host is behind. */
  const refresh = async (): Promise<void> => (await stream.read(appId, newest + 1)).forEach(take)
  const settle = (how: keyof Early): void => {
    isLoaded = true
    for (const one of waiting) one[how]()
  }
  load().then(
    () => settle('begin'),
    () => settle('fail'),
  )

  const open: Hub['open'] = ({ lines, tail, filter, form, lastId }, sink) => {
    let reader: TailReader | undefined
    let isFinishing = !tail
    const close = (): void => {
      if (reader !== undefined) readers.delete(reader)
      reader = undefined
      waiting.delete(own)
      leave()
    }
    const end = (): void => {
      close()
      sink.end()
    }
    const say = (): boolean => sink.write(told(tailAwayLine(nowUs()))[form])
    const begin = (): void => {
      const after = lastId === undefined ? undefined : parseCursor(lastId)
      const { place, missed, isCut } =
        after === undefined
          ? { ...window.last(lines, filter), missed: undefined }
          : { ...window.behind(after, filter), isCut: false }
      if (isCut) say()
      const isAhead = place === window.end()
      const options = { filter, form, place, after: isAhead ? after : undefined, missed, nowUs }
      reader = tailReader(window, { write: sink.write, end }, options)
      readers.add(reader)
      waiting.delete(own)
      if (isFinishing) reader.endAt(window.end())
      else reader.pump()
      window.rest()
    }
    const own = {
      begin,
      fail() {
        say()
        end()
      },
    }
    if (isLoaded && tail) begin()
    else waiting.add(own)
    // Who asks for the past alone has no later line that would show what is missing.
    if (isLoaded && !tail)
      refresh().then(
        () => waiting.has(own) && begin(),
        () => waiting.has(own) && own.fail(),
      )
    return {
      ready() {
        reader?.ready()
        window.rest()
      },
      finish() {
        isFinishing = true
        reader?.endAt(window.end())
        if (waiting.has(own)) own.fail()
      },
      close,
    }
  }
  return { open, bytes: () => window.bytes(), shrink }
}

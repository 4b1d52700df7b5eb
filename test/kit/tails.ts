/** What tests of tails share: apps that log, readers as fast as the test wants, and what they got. */
import { packBatch } from '../../actors/logplex/packed.ts'
import { openTails, type TailWanted, type Tails } from '../../actors/logplex/tails.ts'
import type { Line } from '../../actors/protocols/channel.ts'
import type { Stream } from '../../src/ports/stream.ts'
import { virtualClock } from '../../src/sim/clock.ts'
import { memoryStream } from './memory-stream.ts'

export const lineUs = 1_700_000_000_000_000

/** An app whose lines are `line 0`, `line 1` …, a millisecond after each other. */
export const logger = (stream: Stream, appId = 'a1') => {
  let next = 0
  let newest = 0
  return {
    written: () => next,
    /** Its newest batch. */
    sequence: () => newest,
    write: async (count: number, change: Partial<Line> = {}): Promise<void> => {
      const lines = Array.from({ length: count }, (_, at) => ({
        atUs: lineUs + (next + at) * 1000,
        source: 'app',
        process: 'web.1',
        text: Buffer.from(`line ${next + at}`),
        ...change,
      }))
      newest = await stream.append(appId, packBatch({ first: next, lines }))
      next += count
    },
    /** Lines that are numbered and not to be had. */
    lose: (count: number): void => void (next += count),
  }
}

/** One tail of an app; it takes all it is given, or none. */
export const reading = (tails: Tails, wanted: Partial<TailWanted> = {}, isSlow = false) => {
  const state = { text: '', writes: 0, hasEnded: false, isSlow }
  const tail = tails.open(
    { appId: 'a1', lines: 1_500, tail: true, filter: {}, form: 'text', ...wanted },
    {
      write(bytes) {
        state.text += Buffer.from(bytes).toString()
        state.writes += 1
        return !state.isSlow
      },
      end: () => (state.hasEnded = true),
    },
  )
  const tokens = (): (number | string)[] =>
    state.text.split('\n').flatMap((line) => {
      const number = /: line (\d+)$/.exec(line)?.[1]
      const said = number === undefined ? /Error L1\d.*$/.exec(line)?.[0] : Number(number)
      return said === undefined ? [] : [said]
    })
  return {
    state,
    tail,
    /** Numbers of lines, and what it was told in place of others. */
    tokens,
    lines: (): number[] => tokens().filter((one) => typeof one === 'number'),
    told: (): string[] => tokens().filter((one) => typeof one === 'string'),
    lastId: (): string | undefined => [...state.text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1],
  }
}

export const lossOf = (text: string): number =>
  Number(/dropped (?:at most )?(\d+) messages since/.exec(text)?.[1] ?? 0)

export const range = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from) }, (_, at) => from + at)

/** A host's tails over a history in memory, in virtual time, and an app that logs there. */
export const openLogs = (bytesMax?: number) => {
  const stream = memoryStream()
  const clock = virtualClock()
  const tails = openTails(stream, clock, bytesMax)
  /** What is due by then is done. */
  const settle = async (ms = 100): Promise<void> => {
    await new Promise(setImmediate)
    const limit = clock.now() + ms
    while (clock.step(limit));
    clock.advanceTo(limit)
  }
  return { stream, clock, tails, settle, app: logger(stream) }
}

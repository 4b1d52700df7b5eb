/**
 * Shuttle: carries what a container's log keeps to its app's channel, in order, from where it stood.
 *
 * The log file is the buffer: while nobody carries, nothing is lost but what rotation takes. Both that
 * and what the engine dropped, because it was too much, are said (L12, as log-shuttle says it). Where it
 * stands is kept in a file, so that the next life of this process goes on behind it; and what it brings again
 * has the name and the numbers that it had, which are those of the lines in the file.
 */
import { mkdirSync } from 'node:fs'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  logStart,
  type Driver,
  type Dropped,
  type LogBatch,
  type LogCursor,
  type LogLine,
} from '../../src/oci/driver.ts'
import type { Line, Loss, Part } from '../protocols/channel.ts'
import type { Run } from '../protocols/shapes.ts'
import type { Deliver } from './deliver.ts'
import { endOfOutput, outputKey } from './output.ts'

export type Shipment = {
  readonly runId: string
  readonly appId: string
  readonly process: string
  /** Of a release command: what it says is kept under that key too, with an end (output.ts). */
  readonly outputKey?: string
}

export const shipmentOf = (run: Run): Shipment => ({
  runId: run.id,
  appId: run.appId,
  process: run.name,
  ...(run.isPhase === true && { outputKey: outputKey(run.releaseId) }),
})

export type Shuttle = {
  /** Resolves when the container has ended and all of its log is handed over. */
  ship(from: Shipment): Promise<void>
  /** Forgets where it stood. */
  forget(runId: string): Promise<void>
}

const encoder = new TextEncoder()

const secondEnd = '2026-11-23T03:24:09'.length
/** Lines come in bursts: what stands before their fractions is parsed once. */
let cachedSecond = ''
let cachedZone = ''
let cachedMs = 0

/** Microseconds since 1970 of `2026-11-23T03:24:09.607366857+00:00`, anything finer cut off. */
export const microseconds = (at: string): number => {
  const second = at.slice(0, secondEnd)
  let fractionEnd = secondEnd
  if (at[secondEnd] === '.') while (isDigitAt(at, ++fractionEnd));
  const fraction = at.slice(secondEnd + 1, Math.min(fractionEnd, secondEnd + '.607366'.length))
  const zone = at.slice(fractionEnd)
  if (second !== cachedSecond || zone !== cachedZone) {
    cachedMs = Date.parse(second + zone)
    cachedSecond = second
    cachedZone = zone
  }
  return cachedMs * 1000 + Number(fraction.padEnd('607366'.length, '0'))
}

const isDigitAt = (text: string, at: number): boolean => {
  const code = text.charCodeAt(at)
  return code >= 0x30 && code <= 0x39
}

const lossOf = ({ count, since }: Dropped): Loss => ({ count, sinceUs: microseconds(since) })

/** Said where files were rotated away: nobody knows how many lines were in them. */
const holeLine = (atUs: number): Line => ({
  atUs,
  source: 'app',
  process: 'log-shuttle',
  text: encoder.encode('Error L12: messages dropped: the log of this dyno was rotated before it was read'),
})

/**
 * Where a log stands, and what its lines are called: the source has them all but the first `before`, which
 * were another one's.
 */
export type Place = { readonly cursor: LogCursor; readonly source: string; readonly before: number }

/** For the next life of this process. */
export type Places = {
  read(runId: string): Promise<Place | undefined>
  keep(runId: string, place: Place): Promise<void>
  forget(runId: string): Promise<void>
}

export const filePlaces = (folder: string): Places => {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const fileOf = (runId: string): string => join(folder, `${runId}.json`)
  return {
    read: async (runId) => {
      try {
        const place = JSON.parse(await readFile(fileOf(runId), 'utf8')) as Partial<Place>
        // An earlier version kept less.
        return place.source === undefined ? undefined : (place as Place)
      } catch {
        // None yet, or half a file after a power cut: the log's own beginning is right then, at worst
        // doubled, never lost.
        return undefined
      }
    },
    keep: async (runId, place) => {
      await writeFile(`${fileOf(runId)}.new`, JSON.stringify(place), { mode: 0o600 })
      await rename(`${fileOf(runId)}.new`, fileOf(runId))
    },
    forget: (runId) => rm(fileOf(runId), { force: true }),
  }
}

/** @param life names this process' life: of a log that has no place yet, the lines are named for it */
export const createShuttle = (
  places: Places,
  driver: Pick<Driver, 'follow'>,
  deliver: Deliver,
  life: string,
): Shuttle => {
  let named = 0
  return {
    ship: async ({ runId, appId, process, outputKey: copyKey }) => {
      const newName = (): string => `${runId}:${life}.${named++}`
      const fresh = async (): Promise<Place> => {
        const begin = { cursor: logStart, source: newName(), before: 0 }
        // Before anything is brought under that name.
        await places.keep(runId, begin)
        return begin
      }
      const start = (await places.read(runId)) ?? (await fresh())
      let place = start
      const toLine = (line: LogLine): Line => ({
        atUs: microseconds(line.at),
        source: 'app',
        process,
        text: line.bytes,
      })
      const bring = async (part: Part): Promise<void> => {
        if (copyKey !== undefined) await deliver(copyKey, part)
        await deliver(appId, part)
      }
      const carry = async ({ lines: read, cursor, lost, dropped: passedOver }: LogBatch): Promise<void> => {
        const lines = read.map(toLine)
        const dropped = passedOver && lossOf(passedOver)
        const atUs = dropped?.sinceUs ?? lines[0]?.atUs
        let { source, before } = place
        if (lost && atUs !== undefined) {
          // What is behind a hole is not what was read there before, so it has no number of that name.
          source = newName()
          before = cursor.lines - lines.length - (dropped?.count ?? 0) - 1
          await bring({ source, first: 0, lines: [holeLine(atUs)] })
        }
        place = { cursor, source, before }
        if (lines.length > 0 || dropped !== undefined)
          await bring({ source, first: cursor.lines - before - lines.length, lines, dropped })
        await places.keep(runId, place)
      }
      await driver.follow(runId, start.cursor, carry).done
      const end = { source: place.source, first: place.cursor.lines - place.before, lines: [endOfOutput] }
      if (copyKey !== undefined) await deliver(copyKey, end)
    },
    forget: (runId) => places.forget(runId),
  }
}

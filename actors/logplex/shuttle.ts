/**
 * Shuttle: carries what a container's log keeps to its app's channel, in order, from where it stood.
 *
 * The log file is the buffer: while nobody carries, nothing is lost but what rotation takes. Both that
 * and what the engine dropped, because it was too much, are said (L12, as log-shuttle says it). Where it
 * stands is kept in a file, so that the next life of this process goes on behind it.
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
import type { Line } from '../protocols/channel.ts'
import type { Run } from '../protocols/shapes.ts'
import { droppedLine } from './codes.ts'
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

/** What is said in place of lines: in order between those before and those after. */
const losses = (lost: boolean, dropped: Dropped | undefined, nextAt: string | undefined): Line[] => {
  const unread = 'Error L12: messages dropped: the log of this dyno was rotated before it was read'
  const sinceUs = dropped && microseconds(dropped.since)
  const afterUs = nextAt === undefined ? sinceUs : microseconds(nextAt)
  return [
    ...(dropped && sinceUs !== undefined ? [droppedLine({ count: dropped.count, sinceUs }, sinceUs)] : []),
    ...(lost && afterUs !== undefined
      ? [{ atUs: afterUs, source: 'app', process: 'log-shuttle', text: encoder.encode(unread) }]
      : []),
  ]
}

/** Where each log stands, for the next life of this process. */
export type Cursors = {
  /** The log's beginning, when there is none. */
  read(runId: string): Promise<LogCursor>
  keep(runId: string, cursor: LogCursor): Promise<void>
  forget(runId: string): Promise<void>
}

export const fileCursors = (folder: string): Cursors => {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const fileOf = (runId: string): string => join(folder, `${runId}.json`)
  return {
    read: async (runId) => {
      try {
        return JSON.parse(await readFile(fileOf(runId), 'utf8')) as LogCursor
      } catch {
        // None yet, or half a file after a power cut: the log's own beginning is right then, at worst
        // doubled, never lost.
        return logStart
      }
    },
    keep: async (runId, cursor) => {
      await writeFile(`${fileOf(runId)}.new`, JSON.stringify(cursor), { mode: 0o600 })
      await rename(`${fileOf(runId)}.new`, fileOf(runId))
    },
    forget: (runId) => rm(fileOf(runId), { force: true }),
  }
}

/** @param life names this process' life: each shipment numbers its lines anew, and has a name of its own */
export const createShuttle = (
  cursors: Cursors,
  driver: Pick<Driver, 'follow'>,
  deliver: Deliver,
  life: string,
): Shuttle => {
  let ships = 0
  return {
    ship: async ({ runId, appId, process, outputKey: copyKey }) => {
      const source = `${runId}:${life}.${ships++}`
      let next = 0
      const bring = async (lines: readonly Line[]): Promise<void> => {
        const part = { source, first: next, lines }
        next += lines.length
        if (copyKey !== undefined) await deliver(copyKey, part)
        await deliver(appId, part)
      }
      const toLine = (line: LogLine): Line => ({
        atUs: microseconds(line.at),
        source: 'app',
        process,
        text: line.bytes,
      })
      const carry = async ({ lines, cursor, lost, dropped }: LogBatch): Promise<void> => {
        const batch = [...losses(lost, dropped, lines[0]?.at), ...lines.map(toLine)]
        if (batch.length > 0) await bring(batch)
        await cursors.keep(runId, cursor)
      }
      await driver.follow(runId, await cursors.read(runId), carry).done
      if (copyKey !== undefined) await deliver(copyKey, { source, first: next, lines: [endOfOutput] })
    },
    forget: (runId) => cursors.forget(runId),
  }
}

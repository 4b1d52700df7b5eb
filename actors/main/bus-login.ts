/**
 * How a process of this host reaches the bus: written down by the host process, read by its router shards.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { ConnectOptions } from '../../src/nats/connection.ts'
import type { BusFile, HomePaths } from './paths.ts'

/** A reader sees the old file or the new. */
export const writeBusFile = (paths: HomePaths, file: BusFile): void => {
  mkdirSync(paths.run, { recursive: true, mode: 0o700 })
  writeFileSync(`${paths.bus}.new`, JSON.stringify(file), { mode: 0o600 })
  renameSync(`${paths.bus}.new`, paths.bus)
}

export type BusLogin = Pick<ConnectOptions, 'urls' | 'nkeySeed' | 'ca'>

export const busLogin = ({ urls, seed, ca }: BusFile): BusLogin => ({
  urls,
  ...(seed === undefined ? {} : { nkeySeed: readFileSync(seed, 'utf8').trim() }),
  ...(ca === undefined ? {} : { ca: readFileSync(ca, 'utf8') }),
})

export const readBusFile = (paths: HomePaths): BusFile =>
  JSON.parse(readFileSync(paths.bus, 'utf8')) as BusFile

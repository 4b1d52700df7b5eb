/**
 * Routes at the scale of a whole Heroku: millions of apps in one record, real router shards that ask it, and
 * what that costs. `--apps N` for another number (3,000,000; 100,000 with --quick).
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startControl } from '../routes/control.ts'
import { startDyno } from '../routes/dyno.ts'
import { joinBus, startFilled, urlOf } from '../routes/load.ts'
import { entriesOf, type Place } from '../routes/records.ts'
import { startShards } from '../routes/shards.ts'
import { row, type BenchOptions, type Row } from './report.ts'
import { benchShards } from './routes/live.ts'
import { residentBytes } from './routes/memory.ts'
import { benchTable } from './routes/table.ts'

const appsMax = 3_000_000
const appsQuick = 100_000
const host = 'h1'
const shardCount = 2
const mega = 2 ** 20

export const run = async ({ quick, args, log }: BenchOptions): Promise<readonly Row[]> => {
  const apps = appsOf(args, quick)
  const home = mkdtempSync(join(tmpdir(), 'manifold-bench-'))
  const closers: (() => Promise<unknown>)[] = []
  try {
    const dyno = await startDyno()
    closers.push(() => dyno.stop())
    const place: Place = { host, address: '127.0.0.1', port: dyno.port, maintenance: true }
    const { server, writeMs, entries } = await startFilled(join(home, 'nats'), recordsOf(apps, place))
    closers.push(() => server.stop())
    log(`${apps} apps, ${entries} records in ${Math.round(writeMs / 1_000)} s`)
    const rows = [
      row({ what: `${apps} apps put on record (${entries} keys)`, unit: 's', ours: writeMs / 1_000 }),
      row({
        what: 'memory of the server that holds them',
        unit: 'MB',
        ours: residentBytes(server.pid) / mega,
      }),
    ]
    const connection = await joinBus(server, host)
    closers.push(() => connection.close())
    const control = await startControl(connection)
    closers.push(() => control.stop())
    const shards = await startShards(home, urlOf(server), host, shardCount)
    closers.push(() => shards.stop())
    rows.push(...(await benchShards({ apps, control, shards: shards.all, log })))
    rows.push(...(await benchTable({ connection, apps, place, log })))
    rows.push(row({ what: 'the server after all that', unit: 'MB', ours: residentBytes(server.pid) / mega }))
    return rows
  } finally {
    for (const close of closers.reverse()) await close()
    rmSync(home, { recursive: true, force: true, maxRetries: 5 })
  }
}

const appsOf = (args: readonly string[], quick: boolean): number => {
  const at = args.indexOf('--apps')
  if (at < 0) return quick ? appsQuick : appsMax
  const apps = Number(args[at + 1])
  if (Number.isSafeInteger(apps) && apps >= 1_000) return apps
  throw new RangeError(`--apps ${args[at + 1]} is not allowed: want a whole number of 1000 or more`)
}

function* recordsOf(apps: number, place: Place): Generator<readonly [string, Uint8Array]> {
  for (let number = 0; number < apps; number++) yield* entriesOf(number, place)
}

/**
 * The keys that TLS sessions are resumed by, the same for all shards of this host: a client may come to
 * another one each time. They lie in a file that only their user reads, are never sent anywhere, and are
 * others after half a day; sessions of before then begin anew.
 */
import { randomBytes } from 'node:crypto'
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../src/ports/clock.ts'
import type { Log } from '../../src/ports/log.ts'
import type { TicketKeys } from '../../src/tls/accept.ts'

/** What the TLS library wants: a name, and keys to seal and to open. */
const keyBytes = 48
const lookMs = 60_000
const keptMs = 12 * 3_600_000

type Kept = { readonly madeMs: number; readonly key: Buffer }

export const openTicketKeys = (deps: {
  readonly folder: string
  readonly clock: Clock
  readonly log: Log
}): TicketKeys => {
  const { folder, clock, log } = deps
  const path = join(folder, 'tickets.key')
  const changes = new Set<() => void>()

  /** Undefined: there are none, or they are too old. */
  const read = (): Kept | undefined => {
    const bytes = readIfThere(path)
    if (bytes?.length !== 8 + keyBytes) return undefined
    const madeMs = bytes.readDoubleBE(0)
    const ageMs = clock.now() - madeMs
    return ageMs >= 0 && ageMs < keptMs ? { madeMs, key: bytes.subarray(8) } : undefined
  }
  /** Who links first has made them for all. */
  const make = (): Kept => {
    const [time, key] = [Buffer.alloc(8), randomBytes(keyBytes)]
    const madeMs = clock.now()
    time.writeDoubleBE(madeMs)
    const own = `${path}.${process.pid}`
    writeFileSync(own, Buffer.concat([time, key]), { mode: 0o600 })
    try {
      linkSync(own, path)
      return { madeMs, key }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      const known = read()
      if (known !== undefined) return known
      rmSync(path, { force: true })
      return make()
    } finally {
      rmSync(own, { force: true })
    }
  }

  let kept = read() ?? make()
  const look = (): void => {
    try {
      const found = read() ?? make()
      const isOther = !found.key.equals(kept.key)
      kept = found
      if (isOther) for (const changed of changes) changed()
    } catch (error) {
      log({ at: 'tickets-failed', reason: error instanceof Error ? error.message : 'unknown' })
    }
    clock.after(lookMs, look)
  }
  clock.after(lookMs, look)

  return {
    now: () => kept.key,
    onChange: (changed) => {
      changes.add(changed)
      return () => void changes.delete(changed)
    },
  }
}

const readIfThere = (path: string): Buffer | undefined => {
  try {
    return readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * Restore: writes a backup into the record. Everything is read and checked before anything is written.
 *
 * What the cluster is (its hosts, invitations) stays as it is. Who may use it becomes as in the backup; the
 * keys that work now go on working, as the restored owner's. Run again after it was cut short, it goes on.
 */
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Feed } from '../../src/ports/feed.ts'
import { StoreConflict, StoreUnavailable, type Entry, type Store } from '../../src/ports/store.ts'
import type { Progress, Restored } from '../api/cluster.ts'
import { ApiError } from '../api/errors.ts'
import { eachAtOnce } from './at-once.ts'
import { BackupDamaged, keysNeeded, readBackup, type Header } from './backup-file.ts'
import type { KeyName } from './seal-record.ts'

export type RestoreDeps = {
  readonly store: Store
  readonly feed: Pick<Feed, 'since'>
  /** Where the backup waits until all of it is known to be good. */
  readonly spool: string
  /** Names of the keys of config vars here. */
  readonly keys: () => readonly KeyName[]
  /** Something that is sealed with these has come back. */
  readonly needs: (names: readonly KeyName[]) => Promise<void>
}

/** Kinds of records that say what this cluster is, not what is in it. */
const ofTheCluster = new Set(['host', 'invite', 'cluster', 'canary'])
/** Kinds that a fresh cluster has by itself. */
const ofTheOwner = new Set(['user', 'token', 'mark'])
const ownerKey = 'user/owner'
const atOnce = 16
const triesMax = 5

const kindOf = (key: string): string => key.slice(0, key.indexOf('/'))

/** @throws ApiError `invalid_params`, `conflict`, `service_unavailable` */
export const restore = async (
  deps: RestoreDeps,
  chunks: AsyncIterable<Uint8Array>,
  force: boolean,
  told: Progress = () => undefined,
): Promise<Restored> => {
  await mkdir(dirname(deps.spool), { recursive: true, mode: 0o700 })
  try {
    await pipeline(Readable.from(chunks), createWriteStream(deps.spool, { mode: 0o600 }))
    const { header, owner } = await check(deps.spool, told)
    if (!force) await refuse(deps, header, told)
    const needed = new Set(keysNeeded(header))
    // Before they are there: no key is dropped meanwhile.
    await deps.needs(deps.keys().filter(({ id }) => needed.has(id)))
    const done = await write(deps, header, owner, told)
    await deps.needs(deps.keys().filter(({ id }) => needed.has(id)))
    return done
  } catch (error) {
    throw asApiError(error)
  } finally {
    await rm(deps.spool, { force: true })
  }
}

const check = async (file: string, told: Progress): Promise<{ header: Header; owner: Entry | undefined }> => {
  let header: Header | undefined
  let owner: Entry | undefined
  for await (const read of readBackup(createReadStream(file))) {
    if ('header' in read) header = read.header
    else if (read.entry.key === ownerKey) owner = read.entry
    told(0, header?.count ?? 0)
  }
  if (header === undefined) throw new BackupDamaged('it is empty')
  return { header, owner }
}

const refuse = async ({ feed, keys }: RestoreDeps, header: Header, told: Progress): Promise<void> => {
  const here = new Set(keys().map(({ id }) => id))
  const missing = keysNeeded(header).filter((id) => !here.has(id))
  if (missing.length > 0)
    throw new ApiError(
      'conflict',
      `Config vars in the backup are sealed with ${missing.length === 1 ? 'key' : 'keys'} ${missing.join(', ')}, ` +
        'which this cluster does not have. Give it the keys/config.key of that cluster as it was then: ' +
        'bin/manifold keys:add FILE. With --force everything else is restored.',
    )
  let there = 0
  for await (const { key, value } of feed.since('', 0)) {
    told(0, header.count)
    const kind = kindOf(key)
    if (value !== undefined && !ofTheCluster.has(kind) && !ofTheOwner.has(kind)) there += 1
  }
  if (there > 0)
    throw new ApiError(
      'conflict',
      `This cluster has ${there} records already. Give --force to overwrite those that the backup has.`,
    )
}

const write = async (
  deps: RestoreDeps,
  header: Header,
  owner: Entry | undefined,
  told: Progress,
): Promise<Restored> => {
  const count = { written: 0, same: 0, left: 0 }
  const done = (how: keyof typeof count): void => {
    count[how] += 1
    told(count.written + count.same + count.left, header.count)
  }
  await eachAtOnce(entriesIn(deps.spool), atOnce, async (entry) => {
    if (ofTheCluster.has(kindOf(entry.key))) done('left')
    else if (entry.key !== ownerKey) done(await putOne(deps.store, entry))
  })
  if (owner !== undefined) {
    await adoptTokens(deps, owner)
    done(await putOne(deps.store, owner))
  }
  return count
}

async function* entriesIn(file: string): AsyncGenerator<Entry> {
  for await (const read of readBackup(createReadStream(file))) if ('entry' in read) yield read.entry
}

/**
 * Tokens of whoever owned this cluster until now, and of nobody else: without this, its own key would open
 * nothing. Before the owner changes, so that a restore that is run again still knows whose they were.
 */
const adoptTokens = async ({ store, feed }: RestoreDeps, owner: Entry): Promise<void> => {
  const idIn = ({ value }: Entry): string =>
    (JSON.parse(Buffer.from(value).toString('utf8')) as { id: string }).id
  const before = await store.get(ownerKey)
  if (before === undefined) return
  const [from, to] = [idIn(before), idIn(owner)]
  for await (const { key, value } of feed.since('token/', 0)) {
    if (value === undefined) continue
    const record = JSON.parse(Buffer.from(value).toString('utf8')) as { userId: string }
    if (record.userId !== from) continue
    await putOne(store, { key, value: Buffer.from(JSON.stringify({ ...record, userId: to })) })
  }
}

/** Over whatever stands there, also while its actor lives: that one loses its race and reads it anew. */
const putOne = async (
  store: Store,
  { key, value }: Pick<Entry, 'key' | 'value'>,
): Promise<'written' | 'same'> => {
  for (let tries = 1; ; tries += 1) {
    try {
      const found = await store.get(key)
      if (found === undefined) await store.create(key, value)
      else if (Buffer.compare(found.value, value) === 0) return 'same'
      else await store.update(key, value, found.revision)
      return 'written'
    } catch (error) {
      // A write whose answer was lost is found on the next reading.
      const again = error instanceof StoreConflict || error instanceof StoreUnavailable
      if (!again || tries >= triesMax) throw error
    }
  }
}

const asApiError = (error: unknown): unknown => {
  if (error instanceof BackupDamaged)
    return new ApiError('invalid_params', `The backup is damaged: ${error.message}.`, { cause: error })
  if (error instanceof StoreConflict || error instanceof StoreUnavailable)
    return new ApiError(
      'service_unavailable',
      'The record could not be written to the end. Run the restore again with --force.',
      { cause: error },
    )
  return error
}

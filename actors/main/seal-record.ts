/**
 * Which key seals, which only open, and which are gone: `cluster/seal` on record, by names of keys and never
 * by keys. Pure: each step of a rotation is a change of it by compare-and-set.
 *
 *   asked     a next key is made; nothing is sealed with it until every host that is there has it
 *   given     it seals; the one before opens, until everything is resealed and nothing kept is older
 *   resealed  nothing on record needs the older one; backups may
 *   forgotten no backup does, a week has passed: hosts drop it
 *
 * No record: the first key of the file seals, and there is no other.
 */
import { checker, is, type Static } from '../../src/runtime/schema.ts'
import { certificateKeyOf } from '../effects/perform/certificates.ts'
import { keyNamed, type SealKey } from '../effects/perform/seal.ts'

/** A key by its id, and by the id of the key of certificates that comes from it. */
const nameShape = is.obj({ id: is.text(32), certificates: is.text(32) })
export type KeyName = Static<typeof nameShape>

const shape = is.obj({
  sealing: nameShape,
  next: is.orNull(nameShape),
  /** With when nothing on record needed it any more; null: something may. */
  older: is.arr(is.obj({ name: nameShape, resealedAt: is.orNull(is.int) }), 16),
  dropped: is.arr(nameShape, 64),
  /** Records looked at, of how many, by the pass that is under way or was the last. */
  done: is.int,
  total: is.int,
  /** Hosts without which it does not go on, and records that no key opens. */
  waitingFor: is.arr(is.text(63), 64),
  unreadable: is.int,
  /** Grows whenever there is something to look for anew. */
  round: is.int,
  rotatedAt: is.int,
})
export type SealRecord = Static<typeof shape>

export const sealRecordKey = 'cluster/seal'
/** Keys that only open. */
export const olderMax = 8
const droppedMax = 64
const waitingMax = 64
const weekMs = 7 * 24 * 3_600_000
const misfit = checker(shape)

export const decodeSeal = (bytes: Uint8Array): SealRecord => {
  const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
  const wrong = misfit(value)
  if (wrong !== undefined) throw new RangeError(`${sealRecordKey}: ${wrong.path} ${wrong.want}`)
  return value as SealRecord
}
export const encodeSeal = (record: SealRecord): Uint8Array => Buffer.from(JSON.stringify(record))

export const nameOfKey = ({ id, key }: SealKey): KeyName => ({
  id,
  certificates: keyNamed(certificateKeyOf(key)).id,
})

export const firstRecord = (sealing: KeyName): SealRecord => ({
  sealing,
  next: null,
  older: [],
  dropped: [],
  done: 0,
  total: 0,
  waitingFor: [],
  unreadable: 0,
  round: 0,
  rotatedAt: 0,
})

/** Every key that something may be sealed with, or will be. */
export const neededIn = ({ sealing, next, older }: SealRecord): readonly KeyName[] => [
  sealing,
  ...(next === null ? [] : [next]),
  ...older.map(({ name }) => name),
]

/** Also over a next key that nobody has: nothing was sealed with it. */
export const asked = (record: SealRecord, next: KeyName, nowMs: number): SealRecord => ({
  ...record,
  next,
  dropped: record.next === null ? record.dropped : withDropped(record, [record.next]),
  waitingFor: [],
  round: record.round + 1,
  rotatedAt: nowMs,
})

export const given = (record: SealRecord): SealRecord => {
  if (record.next === null) return record
  const older = [{ name: record.sealing, resealedAt: null }, ...record.older]
  return { ...record, sealing: record.next, next: null, older, done: 0, total: 0, waitingFor: [] }
}

/** Something that is sealed with these came back: they are looked for again. */
export const found = (record: SealRecord, names: readonly KeyName[]): SealRecord => {
  const ids = new Set(names.map(({ id }) => id))
  ids.delete(record.sealing.id)
  const known = record.older.map((one) => (ids.has(one.name.id) ? { ...one, resealedAt: null } : one))
  const isKnown = new Set(known.map(({ name }) => name.id))
  const fresh = names.filter(({ id }) => ids.has(id) && !isKnown.has(id))
  return {
    ...record,
    round: record.round + 1,
    older: [...known, ...fresh.map((name) => ({ name, resealedAt: null }))],
    dropped: record.dropped.filter(({ id }) => !ids.has(id)),
  }
}

/** @param left ids of keys that something is still sealed with */
export const resealed = (record: SealRecord, left: ReadonlySet<string>, nowMs: number): SealRecord => ({
  ...record,
  waitingFor: [],
  older: record.older.map((one) =>
    isOf(one.name, left) || one.resealedAt !== null ? one : { ...one, resealedAt: nowMs },
  ),
})

export const isOf = ({ id, certificates }: KeyName, ids: ReadonlySet<string>): boolean =>
  ids.has(id) || ids.has(certificates)

export const isResealed = ({ older }: SealRecord): boolean =>
  older.every(({ resealedAt }) => resealedAt !== null)

/** Older keys whose time is over, unless a backup needs them. */
export const forgettable = ({ older }: SealRecord, nowMs: number): readonly KeyName[] =>
  older.flatMap(({ name, resealedAt }) => (resealedAt !== null && nowMs - resealedAt >= weekMs ? [name] : []))

export const forgotten = (record: SealRecord, names: readonly KeyName[]): SealRecord => {
  const ids = new Set(names.map(({ id }) => id))
  return {
    ...record,
    older: record.older.filter(({ name }) => !ids.has(name.id)),
    dropped: withDropped(record, names),
  }
}

const withDropped = ({ dropped }: SealRecord, names: readonly KeyName[]): KeyName[] =>
  [...names, ...dropped].slice(0, droppedMax)

export const waiting = (record: SealRecord, hosts: readonly string[]): SealRecord => ({
  ...record,
  waitingFor: hosts.slice(0, waitingMax),
})

/** What an operator may do with the keys that seal (actors/api/cluster.ts), on any control host. */
import type { Store } from '../../src/ports/store.ts'
import type { ClusterOperator, KeyRow, KeysView } from '../api/cluster.ts'
import { ApiError } from '../api/errors.ts'
import { sealKeyBytes } from '../effects/perform/seal.ts'
import { changeSeal } from './seal-change.ts'
import {
  asked,
  decodeSeal,
  firstRecord,
  found,
  olderMax,
  sealRecordKey,
  type KeyName,
  type SealRecord,
} from './seal-record.ts'
import type { Ring } from './seal-ring.ts'

export type SealOperator = ClusterOperator['keys'] & {
  readonly names: () => readonly KeyName[]
  readonly needs: (names: readonly KeyName[]) => Promise<void>
}

export const openSealOperator = (deps: {
  readonly store: Store
  readonly ring: Ring
  readonly now: () => number
  /** The record changed: everybody looks. */
  readonly changed: () => void
}): SealOperator => {
  const { store, ring } = deps
  const first = (): KeyName => {
    const [name] = ring.names()
    if (name === undefined) throw new ApiError('conflict', 'This host has no key: ask another control host.')
    return name
  }
  const change = async (to: (record: SealRecord) => SealRecord | undefined): Promise<void> => {
    if (await changeSeal(store, to, first())) deps.changed()
  }
  const view = async (): Promise<KeysView> => {
    const entry = await store.get(sealRecordKey)
    return viewOf(entry === undefined ? firstRecord(first()) : decodeSeal(entry.value))
  }
  const needs = (names: readonly KeyName[]): Promise<void> =>
    change((record) => (names.some(({ id }) => id !== record.sealing.id) ? found(record, names) : undefined))

  return {
    view,
    names: () => ring.names(),
    needs,
    async rotate() {
      await ring.refresh()
      let made: KeyName | undefined
      await change((record) => {
        if (record.next !== null) throw underWay(record)
        if (record.older.some(({ resealedAt }) => resealedAt === null)) throw underWay(record)
        if (record.older.length >= olderMax)
          throw new ApiError(
            'conflict',
            `${olderMax} older keys are still kept for backups, for a week at least: rotate again later.`,
          )
        made ??= ring.make()
        return asked(record, made, deps.now())
      })
      return view()
    },
    async add(keys) {
      const isWhole = keys.length > 0 && keys.length % sealKeyBytes === 0
      if (!isWhole)
        throw new ApiError('invalid_params', `A file of keys has ${sealKeyBytes} bytes for each of them.`)
      if (keys.length / sealKeyBytes > olderMax)
        throw new ApiError('invalid_params', `At most ${olderMax} keys may be added at once.`)
      await ring.refresh()
      const known = new Set(ring.names().map(({ id }) => id))
      ring.add(keys)
      const more = ring.names().filter(({ id }) => !known.has(id))
      await change((record) => {
        const after = found(record, more)
        if (after.older.length > olderMax)
          throw new ApiError('conflict', `A cluster has at most ${olderMax} older keys.`)
        return more.length === 0 ? undefined : after
      })
      return view()
    },
  }
}

const underWay = ({ waitingFor }: SealRecord): ApiError =>
  new ApiError(
    'conflict',
    waitingFor.length === 0
      ? 'A rotation is under way already.'
      : `A rotation is under way already, and waits for ${waitingFor.join(', ')}: start it, or remove it.`,
  )

const viewOf = ({ sealing, next, older, done, total, unreadable, waitingFor }: SealRecord): KeysView => {
  const rows: KeyRow[] = [{ id: sealing.id, state: 'seals', resealedAt: null }]
  if (next !== null) rows.push({ id: next.id, state: 'next', resealedAt: null })
  for (const { name, resealedAt } of older)
    rows.push({ id: name.id, state: resealedAt === null ? 'resealing' : 'kept', resealedAt })
  return { keys: rows, done, total, unreadable, waitingFor }
}

/**
 * The durable record of one actor: msgpack of `{ v, state, reminders, writes }`.
 *
 * `writes` names the last few writes, newest first: one whose answer was lost is recognised by reading it
 * back, also under what others wrote since. They come last and are always as long, so that two records say
 * the same exactly when their bytes before are equal.
 */
import assert from 'node:assert/strict'
import type { Durable } from './actor.ts'
import { decode, encode } from './codec.ts'
import { ActError } from './errors.ts'
import type { Reminder } from './letter.ts'
import { checker, type Check } from './schema.ts'

const writeChars = 26
export const writesKept = 4
const noWrite = '0'.repeat(writeChars)
/** One byte of msgpack before the list and before each name. */
const writesBytes = 1 + writesKept * (1 + writeChars)

export type Reminders = ReadonlyMap<string, Reminder>
export const noReminders: Reminders = new Map()

export type Loaded = {
  readonly state: unknown
  readonly reminders: Reminders
  readonly writes: readonly string[]
}

/** `actor/<type>/<key>`; names in store keys hold no slash. */
export const recordKey = (type: string, key: string): string => `actor/${type}/${escapeName(key)}`
export const escapeName = (name: string): string => name.replaceAll('%', '%25').replaceAll('/', '%2F')
export const unescapeName = (name: string): string => name.replaceAll('%2F', '/').replaceAll('%25', '%')

/** Makes the names of this node's writes: unique in the cluster, all of one length. */
export const writeNames = (life: string): (() => string) => {
  assert(life.length > 0 && life.length <= writeChars / 2)
  let count = 0
  return () => {
    count += 1
    return life + count.toString(36).padStart(writeChars - life.length, '0')
  }
}

/** How one actor's state becomes a record and comes back. */
export class RecordFormat {
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly #durable: Durable<any>
  readonly #check: Check
  readonly #bytesMax: number

  // The state's type is the actor's own.
  // oxlint-disable-next-line typescript/no-explicit-any
  constructor(durable: Durable<any>, bytesMax: number) {
    this.#durable = durable
    this.#check = checker(durable.schema)
    this.#bytesMax = bytesMax
  }

  /**
   * @param writes names of the writes before, newest first
   * @returns undefined when there is nothing to keep
   * Throws ACT_RECORD_SCHEMA or ACT_RECORD_BYTES.
   */
  encode(
    state: unknown,
    reminders: Reminders,
    write: string,
    writes: readonly string[],
  ): Uint8Array | undefined {
    const saved: unknown = this.#durable.save(state)
    if (saved === undefined) return undefined
    const fault = this.#check(saved)
    if (fault !== undefined) throw new ActError('ACT_RECORD_SCHEMA', `${fault.path} ${fault.want}`)
    const list = [...reminders.values()].map(({ name, atMs, message }) => [name, atMs, message])
    const names = [write, ...writes, ...Array.from({ length: writesKept }, () => noWrite)]
    const { version } = this.#durable
    const record = { v: version, state: saved, reminders: list, writes: names.slice(0, writesKept) }
    const bytes = new Uint8Array(encode(record))
    if (bytes.length > this.#bytesMax) throw new ActError('ACT_RECORD_BYTES', `${bytes.length} bytes`)
    return bytes
  }

  /** Throws ACT_RECORD when it cannot be read. */
  decode(bytes: Uint8Array, key: string): Loaded {
    const record = readRecord(bytes)
    const saved = this.#upcast(record.state, record.v)
    const fault = this.#check(saved)
    if (fault !== undefined) throw new ActError('ACT_RECORD', `${key}: ${fault.path} ${fault.want}`)
    return { state: this.#durable.load(saved, key), reminders: record.reminders, writes: record.writes }
  }

  #upcast(saved: unknown, version: number): unknown {
    let state = saved
    for (let v = version; v < this.#durable.version; v += 1) {
      const lift = this.#durable.upcast?.[v]
      if (lift === undefined) throw new ActError('ACT_RECORD', `no upcast from version ${v}`)
      state = lift(state)
    }
    if (version > this.#durable.version)
      throw new ActError('ACT_RECORD', `version ${version} is of a newer build`)
    return state
  }
}

/** Whether two records say the same: all bytes but the names of their writes. */
export const sameRecord = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length &&
  Buffer.compare(a.subarray(0, a.length - writesBytes), b.subarray(0, b.length - writesBytes)) === 0

/** Only the names of the writes that made a record, newest first. Throws ACT_RECORD when it is none. */
export const writesOf = (bytes: Uint8Array): readonly string[] => readRecord(bytes).writes

type RawRecord = {
  readonly v: number
  readonly state: unknown
  readonly reminders: Reminders
  readonly writes: readonly string[]
}

const readRecord = (bytes: Uint8Array): RawRecord => {
  try {
    const raw = decode(bytes) as Readonly<Record<'v' | 'state' | 'reminders' | 'writes', unknown>>
    if (!Number.isSafeInteger(raw.v) || !Array.isArray(raw.writes) || !Array.isArray(raw.reminders)) {
      throw new TypeError('fields are missing')
    }
    const reminders = new Map<string, Reminder>()
    for (const [name, atMs, message] of raw.reminders as [string, number, Reminder['message']][]) {
      reminders.set(name, { name, atMs, message, queued: false })
    }
    return { v: raw.v as number, state: raw.state, reminders, writes: raw.writes as string[] }
  } catch (error) {
    throw new ActError('ACT_RECORD', 'not a record', { cause: error })
  }
}

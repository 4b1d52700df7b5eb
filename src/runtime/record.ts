/**
 * The durable record of one actor: msgpack of `{ v, state, reminders, write }`.
 *
 * `write` names the turn that wrote it, so that a write whose answer was lost can be recognised by reading it back. It
 * comes last and is always as long, so that two records say the same exactly when their bytes before it are equal.
 */
import type { Durable } from './actor.ts'
import { decode, encode } from './codec.ts'
import { ActError } from './errors.ts'
import type { Reminder } from './letter.ts'
import { checker, type Check } from './schema.ts'

const writeChars = 26

export type Reminders = ReadonlyMap<string, Reminder>
export const noReminders: Reminders = new Map()

export type Loaded = { readonly state: unknown; readonly reminders: Reminders; readonly write: string }

/** `actor/<type>/<key>`; names in store keys hold no slash. */
export const recordKey = (type: string, key: string): string => `actor/${type}/${escapeName(key)}`
export const escapeName = (name: string): string => name.replaceAll('%', '%25').replaceAll('/', '%2F')
export const unescapeName = (name: string): string => name.replaceAll('%2F', '/').replaceAll('%25', '%')

/** Makes the names of this node's writes: unique in the cluster, all of one length. */
export const writeNames = (life: string): (() => string) => {
  let count = 0
  return () => {
    count += 1
    return (life + count.toString(36).padStart(writeChars, '0')).slice(-writeChars)
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

  /** Undefined: there is nothing to keep. Throws ACT_RECORD_SCHEMA or ACT_RECORD_BYTES. */
  encode(state: unknown, reminders: Reminders, write: string): Uint8Array | undefined {
    const saved: unknown = this.#durable.save(state)
    if (saved === undefined) return undefined
    const fault = this.#check(saved)
    if (fault !== undefined) throw new ActError('ACT_RECORD_SCHEMA', `${fault.path} ${fault.want}`)
    const list = [...reminders.values()].map(({ name, atMs, message }) => [name, atMs, message])
    const bytes = new Uint8Array(encode({ v: this.#durable.version, state: saved, reminders: list, write }))
    if (bytes.length > this.#bytesMax) throw new ActError('ACT_RECORD_BYTES', `${bytes.length} bytes`)
    return bytes
  }

  /** Throws ACT_RECORD when it cannot be read. */
  decode(bytes: Uint8Array, key: string): Loaded {
    const record = readRecord(bytes)
    const saved = this.#upcast(record.state, record.v)
    const fault = this.#check(saved)
    if (fault !== undefined) throw new ActError('ACT_RECORD', `${key}: ${fault.path} ${fault.want}`)
    return { state: this.#durable.load(saved, key), reminders: record.reminders, write: record.write }
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

/** Whether two records say the same: all bytes but the name of the write. */
export const sameRecord = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length &&
  Buffer.compare(a.subarray(0, a.length - writeChars), b.subarray(0, b.length - writeChars)) === 0

/** Only the name of the write that made a record; undefined when it is none. */
export const writeOf = (bytes: Uint8Array): string => readRecord(bytes).write

type RawRecord = {
  readonly v: number
  readonly state: unknown
  readonly reminders: Reminders
  readonly write: string
}

const readRecord = (bytes: Uint8Array): RawRecord => {
  try {
    const raw = decode(bytes) as { v: unknown; state: unknown; reminders: unknown; write: unknown }
    if (!Number.isSafeInteger(raw.v) || typeof raw.write !== 'string' || !Array.isArray(raw.reminders)) {
      throw new TypeError('fields are missing')
    }
    const reminders = new Map<string, Reminder>()
    for (const [name, atMs, message] of raw.reminders as [string, number, Reminder['message']][]) {
      reminders.set(name, { name, atMs, message, queued: false })
    }
    return { v: raw.v as number, state: raw.state, reminders, write: raw.write }
  } catch (error) {
    throw new ActError('ACT_RECORD', 'not a record', { cause: error })
  }
}

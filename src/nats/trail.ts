/**
 * A trail (ports/trail.ts) on JetStream: a stream that refuses to delete or purge anything, whoever asks, so
 * that only age and room end what is in it.
 */
import type { Step, Trail } from '../ports/trail.ts'
import type { Connection } from './connection.ts'
import { ensureStream } from './ensure.ts'
import { inPortWords } from './failures.ts'
import { jetStream } from './jetstream.ts'
import { toToken } from './names.ts'
import { pull } from './pull.ts'

export type TrailOptions = {
  /** Letters, digits, `-` and `_`; also the first token of its subjects. */
  readonly name: string
  readonly replicas: number
  /** False: it is there, and this host may not change what it is like; it is not asked at all. */
  readonly ensure?: boolean
  /** Steps kept under one key; the oldest goes first. */
  readonly maxStepsPerKey: number
  readonly maxAgeMs: number
  /** Bytes in all; the oldest of any key goes first. */
  readonly maxBytes: number
}

const onceMs = 10 * 60_000

/** Opens the trail; makes it, or brings it to these bounds. @throws StoreUnavailable */
export const openTrail = async (connection: Connection, options: TrailOptions): Promise<Trail> => {
  const { name } = options
  const js = jetStream(connection)
  const config = {
    name,
    subjects: [`${name}.>`],
    retention: 'limits',
    storage: 'file',
    discard: 'old',
    num_replicas: options.replicas,
    max_msgs_per_subject: options.maxStepsPerKey,
    max_age: options.maxAgeMs * 1e6,
    max_bytes: options.maxBytes,
    deny_delete: true,
    deny_purge: true,
    duplicate_window: onceMs * 1e6,
  }
  if (options.ensure !== false) await inPortWords(name, ensureStream(js, config))
  const subjectOf = (key: string): string => `${name}.${toToken(key)}`
  const lastOfAll = async (): Promise<number> =>
    (await js.call<{ state: { last_seq: number } }>(`STREAM.INFO.${name}`, {})).state.last_seq
  /** Sequences of all keys together have few gaps: as many as were dropped for their keys' bounds. */
  const readAll = async (before: number | undefined, max: number): Promise<Step[]> => {
    const end = Math.min(before ?? Number.POSITIVE_INFINITY, (await lastOfAll()) + 1)
    let found: Step[] = []
    for (let from = end; from > 1 && found.length < max;) {
      const until = from
      from = Math.max(1, until - max)
      const steps: Step[] = []
      for await (const { sequence, bytes } of pull(js, {
        stream: name,
        filter: `${name}.>`,
        fromSequence: from,
      })) {
        if (sequence >= until) break
        steps.push({ sequence, bytes })
      }
      found = [...steps, ...found]
    }
    return found.slice(-max)
  }
  const readKey = async (key: string, before: number | undefined, max: number): Promise<Step[]> => {
    const found: Step[] = []
    for await (const { sequence, bytes } of pull(js, { stream: name, filter: subjectOf(key) })) {
      if (before !== undefined && sequence >= before) break
      found.push({ sequence, bytes })
      if (found.length > max) found.shift()
    }
    return found
  }
  const addOnce = async (key: string, bytes: Uint8Array, id: string): Promise<Step | undefined> => {
    const { sequence, isWritten } = await js.appendOnce(subjectOf(key), bytes, id)
    if (isWritten) return undefined
    const first = await js.next(name, `${name}.>`, sequence)
    return first?.sequence === sequence ? first : { sequence, bytes: new Uint8Array(0) }
  }
  return {
    add: (key, bytes) => inPortWords(name, js.append(subjectOf(key), bytes, {})),
    addOnce: (key, bytes, id) => inPortWords(name, addOnce(key, bytes, id)),
    read: ({ key, before, max }) =>
      inPortWords(name, key === undefined ? readAll(before, max) : readKey(key, before, max)),
  }
}

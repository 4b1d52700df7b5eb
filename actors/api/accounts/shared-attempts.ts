/**
 * Attempts that all control hosts count together: each tells the others of what failed there, a few times a
 * second and in bounded messages, so that guesses spread over hosts are as slow as those at one. Nothing of
 * it is on record; who was guessed for goes by a sum.
 *
 * A message has for each: how many failed since the last one, and how many there are in all as far as its
 * sender knows (none: it got in). Whoever knows of more says so, which a host that has just started learns
 * from its first failure on.
 */
import { createHash } from 'node:crypto'
import type { Clock, Timer } from '../../../src/ports/clock.ts'
import type { Transport } from '../../../src/ports/transport.ts'
import { checker, is, type Static } from '../../../src/runtime/schema.ts'
import type { Attempts, Counted } from './attempts.ts'

const everyMs = 100
/** Of one message; what is beyond that counts here alone. */
const toldMax = 200
const sumChars = 24
const countMax = 1_000

const shape = is.arr(is.row(is.text(sumChars), is.int, is.int), toldMax)
const misfit = checker(shape)

export type SharedAttempts = Attempts & { readonly close: () => void }

export const sharedAttempts = (deps: {
  readonly counted: Counted
  readonly topic: string
  readonly transport: Pick<Transport, 'publish' | 'subscribe'>
  readonly clock: Clock
  /** Whether that host counts too: it is another one that users log in at. */
  readonly admits: (host: string) => boolean
}): SharedAttempts => {
  const { counted, topic, transport, clock } = deps
  /** By sum, how many are to be told. */
  const untold = new Map<string, number>()
  let timer: Timer | undefined

  const tell = (): void => {
    timer = undefined
    const told = [...untold].map(([sum, added]): Static<typeof shape>[number] => [
      sum,
      Math.min(countMax, added),
      Math.min(countMax, counted.count(sum)),
    ])
    untold.clear()
    transport.publish(topic, Buffer.from(JSON.stringify(told)))
  }
  const say = (sum: string, added: number): void => {
    if (untold.size >= toldMax && !untold.has(sum)) return
    untold.set(sum, (untold.get(sum) ?? 0) + added)
    timer ??= clock.after(everyMs, tell)
  }
  const hear = (sum: string, added: number, total: number): void => {
    const known = counted.count(sum)
    if (total <= 0) return counted.succeeded(sum)
    counted.heard(sum, Math.min(countMax, Math.max(known + Math.max(0, added), total)))
    if (known > total - added) say(sum, 0)
  }
  const subscription = transport.subscribe(topic, (body, from) => {
    if (!deps.admits(from)) return
    for (const [sum, added, total] of toldIn(body)) hear(sum, added, total)
  })
  return {
    waitMs: (who) => counted.waitMs(sumOf(who)),
    failed(who) {
      const sum = sumOf(who)
      counted.failed(sum)
      say(sum, 1)
    },
    succeeded(who) {
      const sum = sumOf(who)
      if (counted.count(sum) === 0) return
      counted.succeeded(sum)
      say(sum, 0)
    },
    close() {
      timer?.cancel()
      subscription.close()
    },
  }
}

const sumOf = (who: string): string => createHash('sha256').update(who).digest('base64url').slice(0, sumChars)

/** Nothing, where it is no message of this kind. */
const toldIn = (body: Uint8Array): Static<typeof shape> => {
  try {
    const value: unknown = JSON.parse(Buffer.from(body).toString('utf8'))
    return misfit(value) === undefined ? (value as Static<typeof shape>) : []
  } catch {
    return []
  }
}

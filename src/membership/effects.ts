/** What the membership's machines want done, as data: `openMembership` does it. */
import type { Log } from '../ports/log.ts'
import type { Said, Told } from './wire.ts'

export type Effect =
  | { readonly do: 'tell'; readonly told: Told }
  | { readonly do: 'say'; readonly said: Said }
  /** The view that this process follows is another. */
  | { readonly do: 'follow' }
  /** Ask the bus whether anybody takes what is sent to that host. */
  | { readonly do: 'probe'; readonly host: string; readonly afterMs: number }
  | { readonly do: 'fence'; readonly isFenced: boolean }
  | { readonly do: 'held'; readonly untilMs: number }
  | { readonly do: 'log'; readonly fields: Parameters<Log>[0] }
export type Emit = (effect: Effect) => void

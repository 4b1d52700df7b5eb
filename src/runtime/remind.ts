/**
 * What a turn did to its actor's durable timers. Pure.
 */
import { ActError } from './errors.ts'
import type { Op, Reminder } from './letter.ts'
import type { Reminders } from './record.ts'

/**
 * @param fired the reminder whose message the turn handled: gone, unless the turn set it again
 * @returns the same map when nothing changed
 */
export const withReminders = (
  reminders: Reminders,
  ops: readonly Op[],
  fired: Reminder | undefined,
  max: number,
): Reminders => {
  let next: Map<string, Reminder> | undefined
  const copy = (): Map<string, Reminder> => {
    next ??= new Map(reminders)
    return next
  }
  if (fired !== undefined) copy().delete(fired.name)
  for (const op of ops) {
    if (op.op === 'remind') {
      const { timer, atMs, message } = op
      copy().set(timer, { name: timer, atMs, message, queued: false })
    } else if (op.op === 'forget' && (next ?? reminders).has(op.timer)) copy().delete(op.timer)
  }
  if (next !== undefined && next.size > max) throw new ActError('ACT_TOO_MANY', `${next.size} durable timers`)
  return next ?? reminders
}

export const earliestMs = (reminders: Reminders): number | undefined =>
  reminders.size === 0 ? undefined : Math.min(...[...reminders.values()].map(({ atMs }) => atMs))

/**
 * A scale that the record has lost, had back from what runs.
 *
 * A store may come back without its last seconds, or be restored from a backup, while dynos run on. A run
 * carries how its type was scaled when it was decided, and runs are told to hosts only once that is on
 * record: one that names a later change than the record knows is proof of a lost one. What was decided since
 * is later still, so nobody's word is undone. A change after which no process of the type was started leaves
 * no trace.
 */
import { labelsText } from '../../config/labels.ts'
import type { ProcessType, RunReport } from '../protocols/shapes.ts'
import { say } from '../say.ts'
import { slotOrder, type Formed } from './record.ts'
import { fit, freshSlot, type Self } from './rollout.ts'
import { scaledAgain } from './scale.ts'

/** Hosts announce every 10 s: the others of these runs are heard of before any is started anew. */
const announcedMs = 15_000

export const regain = (f: Formed, report: RunReport, ctx: Self): Formed => {
  const { scale, name, phase } = report
  const known = f.types.find(({ type }) => type === name.slice(0, name.lastIndexOf('.')))
  if (scale === undefined || known === undefined || scale.at <= known.updatedAt) return f
  if (f.destroying || phase === 'stopping' || phase === 'exited') return f
  const isSame =
    scale.quantity === known.quantity &&
    scale.size === known.size &&
    scale.singleton === known.singleton &&
    labelsText(scale.labels) === labelsText(known.labels)
  if (isSame) return f
  const types = scaledAgain(f.types, known, scale)
  const scaled = types?.find(({ type }) => type === known.type)
  if (types === undefined || scaled === undefined) return f
  ctx.log({ at: 'scale_regained', type: scaled.type, quantity: scaled.quantity, run: report.id })
  const list = types.map((type) => `${type.type}@${type.quantity}:${type.size}`).join(' ')
  say(ctx, ctx.self.key, 'app', 'api', `Scaled to ${list} as its dynos were: the record had lost it`)
  return fit(withRoom({ ...f, types }, scaled, ctx), ctx)
}

/** Slots for runs that are there already, each started if nobody has announced it by then. */
const withRoom = (f: Formed, { type, command, size, quantity }: ProcessType, ctx: Self): Formed => {
  if (f.release === null) return f
  const names = Array.from({ length: quantity }, (_, at) => `${type}.${at + 1}`)
  const missing = names.filter((name) => !f.slots.some((slot) => slot.name === name))
  const at = { releaseId: f.release.id, releaseVersion: f.release.version, dueAt: ctx.now + announcedMs }
  const made = missing.map((name) => ({ ...freshSlot(name, ctx.now), type, command, size, ...at }))
  return { ...f, slots: [...f.slots, ...made].sort(slotOrder) }
}

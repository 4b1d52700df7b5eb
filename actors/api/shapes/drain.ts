/** A log drain as the Platform API shows it, with how it is: which Heroku does not show. */
import type { AppView, DrainView } from '../../protocols/app.ts'
import type { DrainState } from '../../protocols/drain.ts'
import { named, timeOrNull, timeText } from './common.ts'

export type { DrainState }

/** @param state null: not known now */
export const drainBody = (drain: DrainView, app: AppView, state: DrainState | null): object => ({
  addon: null,
  app: named(app),
  created_at: timeText(drain.createdAt),
  id: drain.id,
  token: drain.token,
  updated_at: timeText(drain.updatedAt),
  url: drain.url,
  ...(state === null ? {} : { delivery: deliveryBody(state) }),
})

export const deliveryBody = ({ state, lag, dropped, reason, deliveredAt }: DrainState): object => ({
  state,
  lag,
  dropped,
  reason,
  delivered_at: timeOrNull(deliveredAt),
})

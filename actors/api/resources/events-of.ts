/** What happened, as it is kept: for whoever was not there, or asks from a number on. */
import type { Edge } from '../edge.ts'
import type { Reply } from '../endpoint.ts'
import { cut, listOf } from '../range.ts'
import { webhookEventBody, type ToldEvent } from '../shapes/webhook.ts'

type Told = { readonly sequence: number; readonly told: ToldEvent }

/** Newest of those that fit, of which so many are read. */
const eventsMax = 1_000
const eventsReadMax = 20_000

/** Oldest first. @param filter `app.<id>.>` */
export const eventsOf = async (
  { events }: Pick<Edge, 'events'>,
  filter: string,
): Promise<readonly Told[]> => {
  const all = await events.read(filter, { sequence: 1 }, eventsReadMax)
  return all.slice(-eventsMax).map(({ sequence, bytes }) => ({
    sequence,
    told: JSON.parse(Buffer.from(bytes).toString()) as ToldEvent,
  }))
}

export const listEvents = (all: readonly Told[], range: string | undefined): Reply => {
  const page = cut(all, range, {
    seq: ({ sequence }) => sequence,
    id: ({ told }) => told.id,
    created_at: ({ told }) => told.created_at,
  })
  return listOf(page, ({ told }) => webhookEventBody(told))
}

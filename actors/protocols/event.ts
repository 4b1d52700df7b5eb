/**
 * Events: what changed, as the actor that decided it holds it until it is told: one line of its record. What
 * is told of it is made of the view by whoever tells (effects/perform/events.ts).
 */
import { is, tell, type Static } from '../../src/runtime/index.ts'
import { actorShape, type Who } from './shapes.ts'

/** What events are about, as webhooks name it; all but `dyno` follow `api:` there. */
export const entities = [
  'app',
  'build',
  'collaborator',
  'domain',
  'dyno',
  'formation',
  'release',
  'sni-endpoint',
] as const
export type Entity = (typeof entities)[number]

export const actions = ['create', 'update', 'destroy'] as const
export type Action = (typeof actions)[number]

export const eventShape = is.obj({
  /** Tells it from all others of the same actor, and grows: a time, or more. */
  n: is.int,
  /** Wall-clock milliseconds. */
  at: is.int,
  entity: is.oneOf(...entities),
  action: is.oneOf(...actions),
  by: actorShape,
  appName: is.str,
  /** What it is about, as its protocol shows it; and as it was before an update. */
  view: is.json,
  before: is.opt(is.json),
})
export type Event = Static<typeof eventShape>

/** Who did what nobody asked for. */
export const platformItself: Who = {
  id: '00000000-0000-4000-8000-000000000000',
  email: 'platform@manifold.local',
}

/** What is not told yet, in the record of the actor that decided it; oldest first. */
export const outboxShape = is.obj({
  /** Of the newest event, told or not. */
  n: is.int,
  held: is.arr(eventShape),
})
export type Outbox = Static<typeof outboxShape>

/** What an actor that has an outbox tells itself. */
export const outboxMessages = {
  /** Everything up to this one is where events are kept. */
  eventsTold: tell({ through: is.int }),
  eventsFailed: tell({ reason: is.str }),
  tellEvents: tell({}),
} as const

/**
 * Performs Events: what actors hold of their changes becomes what is told of them, in the shape of Heroku's
 * webhook events and with the API's own bodies, one after the other.
 *
 * An event's id follows from who decided it and its number, so that one that is told twice is known: by the
 * log for some minutes, and after that by the last number of its source that stands there.
 */
import type { EventLog } from '../../../src/ports/events.ts'
import type { Effects } from '../../../src/ports/effects.ts'
import { idFor, timeText } from '../../api/shapes/common.ts'
import type { BuildView } from '../../protocols/build.ts'
import type { Entity, Event } from '../../protocols/event.ts'
import { asEffectFailure } from './names.ts'

/** The API's body of what an event is about. @param view as its protocol shows it */
export type RenderEvent = (appId: string, event: Event, view: unknown) => Promise<object>

export type EventsDeps = {
  readonly log: EventLog
  readonly render: RenderEvent
  /** There are new ones of that app: resolves once those who follow it know. */
  readonly published: (appId: string) => Promise<unknown>
}

type Publish = {
  readonly appId: string
  readonly source: string
  readonly events: readonly Event[]
  readonly unsure: boolean
}

const encoder = new TextEncoder()

/** `app.<id>.release`; a filter with `.>` behind it. */
const subjectOfEntity = (appId: string, entity: string): string => `app.${appId}.${entity}`

const publishEvents = async (deps: EventsDeps, { appId, source, events, unsure }: Publish) => {
  const { log } = deps
  const told = unsure ? await lastTold(log, appId, source, events) : 0
  for (const event of events) {
    if (event.n <= told) continue
    const { entity, action } = event
    const body = encoder.encode(JSON.stringify(await eventBody(deps, appId, source, event)))
    await log.append(`${subjectOfEntity(appId, entity)}.${action}`, `${appId}/${source}/${event.n}`, body)
  }
  await deps.published(appId)
}

/** What became of a build, which is on record elsewhere. */
export type TellBuild = (build: BuildView, unsure?: boolean) => Promise<void>

export const tellBuild =
  (deps: EventsDeps): TellBuild =>
  (build, unsure = false) => {
    const { id, appId, appName = '', by, status, updatedAt: at } = build
    const of = { at, entity: 'build' as const, by, appName, view: build }
    const before = { ...build, status: 'pending', slugId: null, releaseId: null }
    const event: Event =
      status === 'pending' ? { n: 1, action: 'create', ...of } : { n: 2, action: 'update', ...of, before }
    return publishEvents(deps, { appId, source: `build/${id}`, events: [event], unsure })
  }

export const performEvents = (deps: EventsDeps): Effects => ({
  'events.publish': async (publish: Publish) => {
    try {
      await publishEvents(deps, publish)
    } catch (error) {
      throw asEffectFailure(error)
    }
    return { through: publish.events.at(-1)?.n ?? 0 }
  },
})

/** They are told in order: what stands there of any of these kinds has all others before it. */
const lastTold = async (
  log: EventLog,
  appId: string,
  source: string,
  events: readonly Event[],
): Promise<number> => {
  const kinds = new Set<Entity>(events.map(({ entity }) => entity))
  const numbers = [0]
  for (const entity of kinds) {
    const found = await log.last(`${subjectOfEntity(appId, entity)}.>`)
    const [, from, n] = /^(.*)\/(\d+)$/.exec(found?.id ?? '') ?? []
    if (from === `${appId}/${source}`) numbers.push(Number(n))
  }
  return Math.max(...numbers)
}

const eventBody = async (
  { render }: EventsDeps,
  appId: string,
  source: string,
  event: Event,
): Promise<object> => {
  const { n, at, entity, action, by } = event
  const data = await render(appId, event, event.view)
  const before = event.before === undefined ? {} : await render(appId, event, event.before)
  const time = timeText(at)
  return {
    id: idFor('event', appId, source, String(n)),
    action,
    actor: { email: by.email, id: by.id },
    created_at: time,
    data,
    previous_data: changed(before, data),
    published_at: time,
    resource: entity,
    sequence: null,
    updated_at: time,
    version: 'application/vnd.heroku+json; version=3',
  }
}

/** What was otherwise. */
const changed = (before: object, now: object): object => {
  const is = new Map(Object.entries(now).map(([key, value]) => [key, JSON.stringify(value)]))
  return Object.fromEntries(
    Object.entries(before).filter(([key, value]) => JSON.stringify(value) !== is.get(key)),
  )
}

/**
 * Events of apps once more, for users of the bus: what is kept is told at once to each who may see the app
 * and has a key, under `manifold.v1.user.<id>.events.app.<id>.<entity>.<action>`. Who may is read from the
 * app's record at that moment, so whoever loses an app hears no more of it; who was not there asks for what
 * was kept (`webhook-events.list`).
 */
import { sayEvent } from '../../src/nats/events.ts'
import { userEvents, type ApiUser } from '../../src/nats/permissions.ts'
import type { EventLog, StoredEvent } from '../../src/ports/events.ts'
import type { Log } from '../../src/ports/log.ts'
import { viewersOf } from '../api/access.ts'
import { seen } from '../api/resources/team-of.ts'
import { openAppLists } from '../effects/perform/access.ts'
import { openTeams } from '../effects/perform/teams.ts'
import type { Bus } from './bus.ts'

export type UserEventsDeps = {
  readonly log: EventLog
  /** Ids of the users who have a key. */
  readonly holders: () => ReadonlySet<string>
  /** Of those who may look at an app. */
  readonly viewersOf: (appId: string) => Promise<readonly string[]>
  readonly say: (subject: string, event: Omit<StoredEvent, 'subject'>) => void
  readonly report: Log
}

export const toldToUsers = ({ log, holders, viewersOf, say, report }: UserEventsDeps): EventLog => ({
  ...log,
  append: async (subject, id, bytes) => {
    const sequence = await log.append(subject, id, bytes)
    const held = holders()
    const [, appId] = /^app\.([^.]+)\./.exec(subject) ?? []
    if (held.size === 0 || appId === undefined) return sequence
    try {
      for (const user of await viewersOf(appId))
        if (held.has(user)) say(`${userEvents(user)}.${subject}`, { id, sequence, bytes })
    } catch (error) {
      // It is kept: that nobody heard it is no failure of what happened.
      report({ at: 'event-unheard', app: appId, reason: error instanceof Error ? error.message : 'unknown' })
    }
    return sequence
  },
})

/** @param holders who has a key, as it is known here */
export const openUserEvents = (bus: Bus, holders: () => readonly ApiUser[], report: Log): EventLog => {
  const lists = openAppLists(bus.store)
  const teams = openTeams(bus.store)
  return toldToUsers({
    log: bus.events,
    holders: () => new Set(holders().map(({ id }) => id)),
    viewersOf: async (appId) => {
      const app = await lists.kept(appId)
      return app === undefined ? [] : viewersOf(await seen(app, { teams }))
    },
    say: (subject, event) => sayEvent(bus.connection, subject, event),
    report,
  })
}

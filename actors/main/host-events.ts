/**
 * What becomes of hosts, as events: `manifold.v1.events.host.<name>.<state>`. Each control host tells every
 * change of the view that it sees; what all of them tell is one event, for it has one id.
 */
import type { Members, Member, Membership } from '../../src/membership/contract.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { EventLog } from '../../src/ports/events.ts'
import type { Log } from '../../src/ports/log.ts'
import { idFor, timeText } from '../api/shapes/common.ts'
import { platformItself } from '../protocols/event.ts'

export type HostEventsDeps = {
  readonly log: EventLog
  readonly members: Pick<Members, 'onChange'>
  readonly clock: Clock
  readonly report: Log
}

type Change = { readonly before: Member | undefined; readonly after: Member }

const againMs = 2_000
const triesMax = 30
const waitingMax = 1_000
const encoder = new TextEncoder()

/** From the second view on: the first is what was before. Closed, it tells nothing more. */
export const tellHosts = ({
  log,
  members,
  clock,
  report,
}: HostEventsDeps): { readonly close: () => void } => {
  let known: Membership | undefined
  let waiting: Change[] = []
  let telling = false
  let closed = false
  let wake = (): void => undefined

  const pause = (): Promise<void> =>
    new Promise((resolve) => {
      if (closed) return resolve()
      const timer = clock.after(againMs, resolve)
      wake = () => {
        timer.cancel()
        resolve()
      }
    })
  const tell = async (change: Change): Promise<void> => {
    const { name, state } = change.after
    const id = markOf(change)
    const body = encoder.encode(JSON.stringify(bodyOf(change, idFor('event', id))))
    for (let tries = 1; ; tries++) {
      try {
        await log.append(`host.${tokenOf(name)}.${state}`, id, body)
        return
      } catch (error) {
        if (tries === triesMax)
          return report({ at: 'host_event_lost', host: name, state, reason: String(error) })
        await pause()
        if (closed) return
      }
    }
  }
  const tellAll = async (): Promise<void> => {
    if (telling) return
    telling = true
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await tell(next)
    telling = false
  }
  members.onChange((view) => {
    const before = new Map(known?.members.map((member) => [member.name, member]))
    const changes = view.members.flatMap((after): Change[] => {
      const was = before.get(after.name)
      return isSame(was, after) ? [] : [{ before: was, after }]
    })
    const isFirst = known === undefined
    known = view
    if (isFirst || closed) return
    waiting = [...waiting, ...changes].slice(-waitingMax)
    void tellAll()
  })
  return {
    close: () => {
      closed = true
      waiting = []
      wake()
    },
  }
}

const isSame = (before: Member | undefined, after: Member): boolean =>
  before !== undefined && before.state === after.state && before.incarnation === after.incarnation

const markOf = ({ after: { name, state, incarnation, since } }: Change): string =>
  `host/${name}/${incarnation}/${state}/${since}`

/** A host's name may have dots, which part the words of a subject. */
const tokenOf = (name: string): string => name.replaceAll('.', '_')

const dataOf = ({ name, state, roles, labels, version, since }: Member): object => ({
  labels,
  name,
  roles,
  since: timeText(since),
  state,
  version,
})

const bodyOf = ({ before, after }: Change, id: string): object => {
  const time = timeText(after.since)
  return {
    id,
    action: before === undefined ? 'create' : after.state === 'left' ? 'destroy' : 'update',
    actor: { email: platformItself.email, id: platformItself.id },
    created_at: time,
    data: dataOf(after),
    previous_data: before === undefined || before.state === after.state ? {} : { state: before.state },
    published_at: time,
    resource: 'host',
    sequence: null,
    updated_at: time,
    version: 'application/vnd.heroku+json; version=3',
  }
}

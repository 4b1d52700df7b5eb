/**
 * What this host's actors are told of the cluster: the view as it changes, what other hosts run, and whether
 * this host's lease still holds.
 */
import type { Members, Membership } from '../../src/membership/contract.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Transport } from '../../src/ports/transport.ts'
import { decode } from '../../src/runtime/codec.ts'
import { checker, refAt } from '../../src/runtime/index.ts'
import type { Node } from '../../src/runtime/node.ts'
import { fleetTopic } from '../effects/fleet.ts'
import { Host } from '../protocols/host.ts'
import { Placement } from '../protocols/placement.ts'
import { announcementShape, type Announcement, type FleetView } from '../protocols/shapes.ts'

export type TellDeps = {
  readonly node: Pick<Node, 'tell'>
  readonly name: string
  readonly roles: readonly string[]
  readonly members: Members
  readonly transport: Transport
  readonly log: Log
}

const viewOf = ({ number, leader, braked, members }: Membership): FleetView => ({
  number,
  leader,
  braked,
  members: members.map(({ name, incarnation, roles, labels, state }) => ({
    name,
    incarnation,
    roles: [...roles],
    labels: { ...labels },
    state,
  })),
})

export const tellActors = ({ node, name, roles, members, transport, log }: TellDeps): void => {
  const placement = roles.includes('control') ? refAt(Placement, 'placement', name) : undefined
  const host = roles.includes('dyno') ? refAt(Host, 'host', name) : undefined
  const tellView = (membership: Membership): void => {
    const view = viewOf(membership)
    if (placement !== undefined) node.tell(placement, { type: 'viewChanged', view })
    if (host !== undefined) node.tell(host, { type: 'viewChanged', view })
  }
  members.onChange(tellView)
  tellView(members.view())
  members.onFence((isFenced) => {
    log({ at: isFenced ? 'fenced' : 'unfenced' })
    if (host !== undefined) node.tell(host, { type: 'fence', isFenced })
  })
  if (placement === undefined) return
  const check = checker(announcementShape)
  transport.subscribe(fleetTopic, (body) => {
    const said = decode(body)
    if (check(said) === undefined) node.tell(placement, { type: 'announced', ...(said as Announcement) })
    else log({ at: 'announcement-malformed' })
  })
}

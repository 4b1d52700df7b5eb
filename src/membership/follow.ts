/**
 * The membership for processes that only follow it: they say nothing of themselves and are in no view.
 */
import type { Directory } from '../ports/directory.ts'
import type { Membership } from './contract.ts'
import { directoryOf, watched } from './directory.ts'
import { Follower } from './follower.ts'
import type { MembershipPorts } from './membership.ts'
import { timesDefault } from './times.ts'
import { decodeSaid, encodeTold, topics } from './wire.ts'

export type FollowedMembership = {
  /** The last view heard; number 0 before the first. */
  view(): Membership
  onChange(changed: (view: Membership) => void): void
  readonly directory: Directory
  close(): void
}

/** Asks for the view at once, and again whenever a leader names one that it does not have. */
export const followMembership = (ports: Omit<MembershipPorts, 'log'>): FollowedMembership => {
  const { clock, transport } = ports
  const { directory, follow } = directoryOf()
  const views = watched<Membership>()
  const follower = new Follower()
  let isOpen = true
  const want = (): void => {
    if (!isOpen || !follower.mayWant(clock.monotonicMs(), timesDefault.beatMs)) return
    transport.publish(topics.beat, encodeTold({ op: 'want', number: follower.view.number }))
  }
  const said = transport.subscribe(topics.view, (bytes, from) => {
    const heard = decodeSaid(bytes)
    if (!isOpen || heard === undefined) return
    const nowMs = clock.monotonicMs()
    const followed =
      heard.op === 'view'
        ? follower.takes(heard.view, heard.leads, nowMs)
        : follower.pulse(heard.number, from, nowMs)
    if (followed === 'want') want()
    if (followed !== 'changed') return
    follow(follower.view)
    views.tell(follower.view)
  })
  transport.onConnection((isUp) => {
    if (isUp) want()
  })
  want()
  return {
    view: () => follower.view,
    onChange: views.onChange,
    directory,
    close: () => {
      isOpen = false
      said.close()
    },
  }
}

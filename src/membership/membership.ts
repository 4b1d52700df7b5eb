/**
 * The membership on the ports: beats, views and probes over the transport, time from the clock.
 */
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/log.ts'
import type { Transport } from '../ports/transport.ts'
import { encode } from '../runtime/codec.ts'
import type { MemberInfo, Members, Membership, MembershipTimes } from './contract.ts'
import { directoryOf, watched } from './directory.ts'
import type { Effect } from './effects.ts'
import { Machine } from './machine.ts'
import type { Moment } from './roll.ts'
import { checkTimes, timesDefault } from './times.ts'
import { decodeSaid, decodeTold, encodeSaid, encodeTold, topics } from './wire.ts'

export type MembershipPorts = { readonly clock: Clock; readonly transport: Transport; readonly log: Log }
export type MembershipOptions = {
  readonly times?: Partial<MembershipTimes>
  /**
   * Through how many of the bus's servers an observer must hear beats to judge anybody: more than half of
   * them. 1 when left out: the bus is one server, or not ours to count.
   */
  readonly serversMin?: () => number
}

/** A goodbye is repeated for as long as nobody has taken note. */
const leaveTries = 3
/** What a probe carries: no letters. */
const nothing = encode([]).slice()

/**
 * Takes part: says that this host lives, follows the view, and observes when its roles include `control`.
 *
 * @param self its incarnation grows with each life of the host process: the wall clock's ms at its start
 * @throws RangeError when the times do not fit each other
 */
export const openMembership = (
  ports: MembershipPorts,
  self: MemberInfo,
  options: MembershipOptions = {},
): Members => {
  const { clock, transport, log } = ports
  const times = checkTimes({ ...timesDefault, ...options.times })
  const { directory, follow } = directoryOf()
  const views = watched<Membership>()
  const fences = watched<boolean>()
  const leases = watched<number>()
  let isOpen = true
  let beats: { readonly close: () => void } | undefined

  const now = (): Moment => ({ ms: clock.monotonicMs(), wallMs: clock.now() })
  const perform = (effect: Effect): void => {
    switch (effect.do) {
      case 'tell':
        return transport.publish(topics.beat, encodeTold(effect.told))
      case 'say':
        return transport.publish(topics.view, encodeSaid(effect.said))
      case 'probe':
        return probe(effect.host, effect.afterMs)
      case 'follow':
        follow(machine.view)
        return views.tell(machine.view)
      case 'fence':
        return fences.tell(effect.isFenced)
      case 'held':
        return leases.tell(effect.untilMs)
      case 'log':
        return log(effect.fields)
    }
  }
  // What a listener does may come back here: effects wait until the machine is done with its input.
  const queue: Effect[] = []
  let isInside = false
  const input = (run: () => void): void => {
    if (!isOpen) return
    if (isInside) return clock.soon(() => input(run))
    isInside = true
    try {
      run()
      for (let effect = queue.shift(); effect !== undefined; effect = queue.shift()) perform(effect)
    } finally {
      isInside = false
    }
  }
  const probe = (host: string, afterMs: number): void => {
    const send = (): void => transport.send(host, nothing, () => input(() => machine.absent(host, now())))
    if (afterMs === 0) send()
    else clock.after(afterMs, () => (isOpen ? send() : undefined))
  }
  const machine = new Machine(
    {
      self,
      times,
      serversMin: options.serversMin ?? (() => 1),
      isConnected: transport.connected(),
      emit: (effect) => void queue.push(effect),
    },
    now(),
  )
  /** Only observers hear the beats. */
  const listen = (): void => {
    if (machine.isObserver === (beats !== undefined)) return
    beats?.close()
    beats = machine.isObserver
      ? transport.subscribe(topics.beat, (bytes, from) => {
          const told = decodeTold(bytes, from)
          if (told !== undefined) input(() => machine.told(told, from, now()))
        })
      : undefined
  }
  const said = transport.subscribe(topics.view, (bytes, from) => {
    const heard = decodeSaid(bytes)
    if (heard !== undefined) input(() => machine.said(heard, from, now()))
  })
  const tick = (): void => {
    if (!isOpen) return
    input(() => machine.tick(now()))
    clock.after(times.beatMs, tick)
  }
  transport.onConnection((isUp) => input(() => machine.connection(isUp, now())))
  listen()
  input(() => machine.start(now()))
  clock.after(times.beatMs, tick)

  return {
    view: () => machine.view,
    onChange: views.onChange,
    directory,
    change: (change) => {
      input(() => machine.change(change, transport.connected(), now()))
      listen()
    },
    disconnected: (host) => input(() => machine.hint(host, now())),
    known: (hosts) => input(() => machine.known(hosts, now())),
    remove: (host) => input(() => machine.remove(host, now())),
    leave: () =>
      new Promise((resolve) => {
        let tries = leaveTries
        const isNoted = (): boolean => {
          const { members } = machine.view
          const own = members.find(({ name }) => name === self.name)
          return (
            own === undefined ||
            own.state === 'left' ||
            members.every(
              ({ name, roles, state }) =>
                name === self.name || state === 'left' || state === 'dead' || !roles.includes('control'),
            )
          )
        }
        const goodbye = (): void => {
          input(() => machine.leave())
          tries -= 1
          if (!isOpen || tries === 0 || isNoted()) resolve()
          else clock.after(times.beatMs / 2, () => (isNoted() ? resolve() : goodbye()))
        }
        goodbye()
      }),
    onFence: fences.onChange,
    onLease: leases.onChange,
    close: () => {
      isOpen = false
      said.close()
      beats?.close()
    },
  }
}

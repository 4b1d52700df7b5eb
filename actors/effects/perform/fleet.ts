/** Performs Fleet: one announcement to every placement that listens now; who misses it asks for all. */
import type { Effects } from '../../../src/ports/effects.ts'
import type { Transport } from '../../../src/ports/transport.ts'
import { encode } from '../../../src/runtime/codec.ts'
import { fleetTopic } from '../fleet.ts'
import type { Announcement } from '../../protocols/shapes.ts'

/** @param load processes that wait for a processor on this machine, over a minute */
export const performFleet = (transport: Pick<Transport, 'publish'>, load: () => number): Effects => ({
  'fleet.announce': (announcement: Omit<Announcement, 'load'>) => {
    transport.publish(fleetTopic, encode({ ...announcement, load: load() }))
    return Promise.resolve()
  },
})

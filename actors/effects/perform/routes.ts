/** Performs Routes: one announcement to every router shard that listens now; a shard that missed it asks. */
import type { Effects } from '../../../src/ports/effects.ts'
import type { Transport } from '../../../src/ports/transport.ts'
import { encode } from '../../../src/runtime/codec.ts'
import type { Route, StandIn } from '../../protocols/shapes.ts'
import { routesTopic, standInsTopic } from '../../protocols/shard.ts'

export const performRoutes = (transport: Transport): Effects => ({
  'routes.announce': ({ route }: { route: Route }) => {
    transport.publish(routesTopic, encode(route))
    return Promise.resolve()
  },
  'routes.standIn': ({ standIn }: { standIn: StandIn }) => {
    transport.publish(standInsTopic, encode(standIn))
    return Promise.resolve()
  },
})

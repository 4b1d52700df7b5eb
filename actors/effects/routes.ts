/** Telling every router shard where an app is now. */
import { effect } from '../../src/runtime/index.ts'
import type { Route, StandIn } from '../protocols/shapes.ts'

export const Routes = {
  announce: effect<{ route: Route }, void>('routes.announce'),
  standIn: effect<{ standIn: StandIn }, void>('routes.standIn'),
}

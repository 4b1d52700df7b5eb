/** Telling every router shard where an app is now. */
import { effect } from '../../src/runtime/index.ts'
import type { Route } from '../protocols/shapes.ts'

export const Routes = { announce: effect<{ route: Route }, void>('routes.announce') }

/**
 * Setup: an app made from source and its app.json in one go. Keyed by the set-up's id, durable as far as what
 * became of it; for a week.
 */
import { ask, is, protocol, tell, type Static } from '../../src/runtime/index.ts'
import { archiveShape } from './build.ts'
import { actorShape } from './shapes.ts'

export const setupShape = is.obj({
  id: is.str,
  appId: is.str,
  appName: is.str,
  status: is.oneOf('pending', 'succeeded', 'failed'),
  failure: is.orNull(is.str),
  manifestErrors: is.arr(is.str),
  /** Its build, and where; null: not begun. */
  build: is.orNull(is.obj({ id: is.str, host: is.str, status: is.oneOf('pending', 'succeeded', 'failed') })),
  postdeploy: is.orNull(is.obj({ output: is.str, exitCode: is.int })),
  /** As app.json has it: an address, or a path of the app. */
  successUrl: is.orNull(is.str),
  by: actorShape,
  createdAt: is.int,
  updatedAt: is.int,
})
export type SetupView = Static<typeof setupShape>

/** What an app.json asks for, its config vars with their values. */
export const plannedShape = is.obj({
  env: is.map(is.str),
  updates: is.arr(is.obj({ type: is.str, quantity: is.opt(is.str), size: is.opt(is.str) })),
  buildpacks: is.arr(is.str),
  stack: is.orNull(is.str),
  postdeploy: is.orNull(is.str),
  successUrl: is.orNull(is.str),
  addons: is.arr(is.str),
})
export type Planned = Static<typeof plannedShape>

/** Refusal codes: `not_found`. */
export const Setup = protocol('setup', 1, {
  /** Answered when it is on record; it goes on by itself. */
  start: ask(
    {
      appId: is.str,
      appName: is.str,
      archive: archiveShape,
      version: is.str,
      /** Where its source is unpacked. */
      stack: is.str,
      env: is.map(is.str),
      buildpacks: is.arr(is.str),
      by: actorShape,
    },
    setupShape,
  ),
  info: ask({}, setupShape),
  /** Own results and timers. */
  fetched: tell({ sourceDir: is.str, planned: plannedShape }),
  described: tell({}),
  configured: tell({}),
  building: tell({}),
  built: tell({ status: is.oneOf('pending', 'succeeded', 'failed') }),
  scaled: tell({}),
  ran: tell({ output: is.str, exitCode: is.int }),
  failed: tell({ reason: is.str, errors: is.arr(is.str) }),
  watch: tell({}),
  over: tell({}),
})

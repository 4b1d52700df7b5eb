/** Saying a line in an app's log, as the platform. */
import type { Ctx } from '../src/runtime/index.ts'
import { Said } from './effects/said.ts'

const encoder = new TextEncoder()

/**
 * `heroku[web.1]: State changed from starting to up`, `app[api]: Deploy 60a874b3 by user …`
 * @param process `web.1`, `router`, `api`
 */
export const say = <P>(
  ctx: Ctx<P>,
  appId: string,
  source: 'heroku' | 'app',
  process: string,
  text: string,
): void =>
  ctx.run(Said.say({ appId, line: { atUs: ctx.now * 1000, source, process, text: encoder.encode(text) } }))

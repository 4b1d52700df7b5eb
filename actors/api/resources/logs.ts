/** Log sessions: an address at which the log can be read. */
import { is } from '../../../src/runtime/index.ts'
import { created, endpoint } from '../endpoint.ts'
import { invalid } from '../errors.ts'
import { timeText } from '../shapes/common.ts'
import { thisApp } from './app-of.ts'

const linesDefault = 100
/** What the history keeps of an app. */
const linesMax = 1500
const nameCharsMax = 128

export const logs = [
  endpoint({
    name: 'log-sessions.create',
    http: { method: 'POST', path: '/apps/:app/log-sessions' },
    summary: 'Open a log session',
    changes: false,
    needs: 'view',
    scope: 'read',
    body: is.obj({
      dyno: is.opt(is.orNull(is.str)),
      dyno_name: is.opt(is.orNull(is.str)),
      type: is.opt(is.orNull(is.str)),
      lines: is.opt(is.orNull(is.int)),
      source: is.opt(is.orNull(is.str)),
      tail: is.opt(is.orNull(is.bool)),
    }),
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const { body } = request
      // `dyno` carries both `web.1` and a bare type; the documented names mean the same.
      const source = nameOf('source', body.source)
      const process = nameOf('dyno', body.dyno ?? body.dyno_name ?? body.type)
      const lines = body.lines ?? linesDefault
      if (lines < 0) throw invalid(`lines is ${lines} (allowed: 0 to ${linesMax}).`)
      const session = edge.sessions.create({
        appId: app.id,
        // Who asks for more gets all there is, as on Heroku.
        lines: Math.min(lines, linesMax),
        tail: body.tail === true,
        filter: { ...(source && { source }), ...(process && { process }) },
      })
      const at = timeText(session.createdAt)
      const second = Math.floor(session.createdAt / 1000)
      const address = `${edge.settings.apiUrl}/logs/${session.token}?srv=${second}`
      return created({ created_at: at, id: session.id, logplex_url: address, updated_at: at })
    },
  }),
]

/** Empty is none. */
const nameOf = (field: string, value: string | null | undefined): string => {
  const name = value ?? ''
  if (name.length > nameCharsMax)
    throw invalid(`${field} has ${name.length} characters (allowed: ${nameCharsMax}).`)
  return name
}

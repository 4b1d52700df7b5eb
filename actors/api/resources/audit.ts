/** The audit trail, for whoever manages an app, and for operators the whole of it. */
import type { AuditEvent } from '../audit.ts'
import type { Edge } from '../edge.ts'
import { endpoint, type Reply, type Request } from '../endpoint.ts'
import { badRange, parseRange, rangeOf } from '../range.ts'
import { thisApp } from './app-of.ts'

export const audit = [
  endpoint({
    name: 'audit.list',
    http: { method: 'GET', path: '/audit-trail' },
    summary: 'Every change of this platform: who, what, from where, what came of it; newest first',
    needs: 'operator',
    scope: 'global',
    run: (request, edge) => page(request, edge, undefined),
  }),
  endpoint({
    name: 'audit.list-by-app',
    http: { method: 'GET', path: '/apps/:app/audit-trail' },
    summary: 'Every change of an app: who, what, from where, what came of it; newest first',
    needs: 'manage',
    async run(request, edge) {
      return page(request, edge, (await thisApp(request, edge)).id)
    },
  }),
]

/** Of the trail one reads backwards, from its end or from before a number. */
const page = async (request: Request, edge: Edge, appId: string | undefined): Promise<Reply> => {
  // `heroku-client` asks for every list by id.
  const asked = parseRange(request.range)
  const { from, max } = asked?.by === 'id' ? { ...asked, from: '' } : rangeOf(request.range, ['seq'])
  const before = from === '' ? undefined : Number(from)
  if (before !== undefined && !Number.isSafeInteger(before)) throw badRange()
  const { events, next } = await edge.audit.list({
    max,
    ...(appId !== undefined && { appId }),
    ...(before !== undefined && { before }),
  })
  const headers = {
    'Accept-Ranges': 'seq',
    ...(next !== null && { 'Next-Range': `seq ]${next}..; max=${max}` }),
  }
  return { status: next === null ? 200 : 206, body: events.map(auditBody), headers }
}

const auditBody = (event: AuditEvent): object => ({
  action: event.action,
  actor: event.who,
  app: event.appId === null ? null : { id: event.appId },
  authorization: event.authorizationId === null ? null : { id: event.authorizationId },
  created_at: new Date(event.at).toISOString(),
  fields: event.fields,
  from: event.from,
  params: event.params,
  release: event.release === null ? null : { version: event.release },
  request_id: event.requestId,
  status: event.status,
})

/** The audit trail, for whoever manages an app, and for operators the whole of it. */
import type { AuditEvent } from '../audit.ts'
import type { Edge } from '../edge.ts'
import { endpoint, type Reply, type Request } from '../endpoint.ts'
import { ApiError } from '../errors.ts'
import { thisApp } from './app-of.ts'

const maxDefault = 200
const maxAllowed = 1000
const rangeShape = /^\s*seq\s+(?:\](\d{1,15}))?\.\.\s*(?:[;,](.*))?$/

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

const page = async (request: Request, edge: Edge, appId: string | undefined): Promise<Reply> => {
  const [, before, rest = ''] = rangeShape.exec(request.range ?? 'seq ..') ?? badRange()
  const max = Number(/max=(\d{1,4})\b/.exec(rest)?.[1] ?? maxDefault)
  if (max < 1) badRange()
  const { events, next } = await edge.audit.list({
    max: Math.min(max, maxAllowed),
    ...(appId !== undefined && { appId }),
    ...(before !== undefined && { before: Number(before) }),
  })
  const headers = {
    'Accept-Ranges': 'seq',
    ...(next !== null && { 'Next-Range': `seq ]${next}..; max=${Math.min(max, maxAllowed)}` }),
  }
  return { status: next === null ? 200 : 206, body: events.map(auditBody), headers }
}

const badRange = (): never => {
  throw new ApiError(
    'requested_range_not_satisfiable',
    'The requested range is not satisfiable: it must be like seq ]1234..; max=200.',
  )
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

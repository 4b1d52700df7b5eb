/** Hosts and the cluster: the operator's resources, which Heroku has none of. For operators only. */
import { is } from '../../../src/runtime/index.ts'
import type { HostRow } from '../cluster.ts'
import type { Edge } from '../edge.ts'
import { created, endpoint, ok, type Request } from '../endpoint.ts'
import { eventsOf, listEvents } from './events-of.ts'

/** Asks every host of itself. */
const doctorMs = 30_000

export const hosts = [
  endpoint({
    name: 'hosts.list',
    http: { method: 'GET', path: '/hosts' },
    summary: 'Hosts of the cluster, with what they are and hold',
    needs: 'operator',
    scope: 'global',
    run: async (_, edge) => ok((await edge.cluster.view()).hosts.map(hostBody)),
  }),
  endpoint({
    name: 'host-events.list',
    http: { method: 'GET', path: '/host-events' },
    summary: 'What became of hosts, a week back at most',
    needs: 'operator',
    scope: 'global',
    run: async ({ range }, edge) => listEvents(await eventsOf(edge, 'host.>'), range),
  }),
  endpoint({
    name: 'hosts.drain',
    http: { method: 'POST', path: '/hosts/:host/actions/drain' },
    summary: 'Empty a host: its dynos are started elsewhere first, and nothing new comes',
    needs: 'operator',
    scope: 'global',
    run: (request, edge) => drain(request, edge, true),
  }),
  endpoint({
    name: 'hosts.undrain',
    http: { method: 'POST', path: '/hosts/:host/actions/undrain' },
    summary: 'Let a host take dynos again; what went does not come back by itself',
    needs: 'operator',
    scope: 'global',
    run: (request, edge) => drain(request, edge, false),
  }),
  endpoint({
    name: 'hosts.remove',
    http: { method: 'DELETE', path: '/hosts/:host' },
    summary: 'Take out a host that is dead, has left, or is drained and empty',
    needs: 'operator',
    scope: 'global',
    body: is.obj({ force: is.opt(is.bool) }),
    async run(request, edge) {
      const { host } = request.params
      const { warning } = await edge.cluster.remove(host, request.body.force === true)
      return ok({ name: host, warning })
    },
  }),
  endpoint({
    name: 'hosts.invite',
    http: { method: 'POST', path: '/hosts/actions/invite' },
    summary: 'A join URL for one more host',
    needs: 'operator',
    scope: 'global',
    run: async (_, edge) => created({ url: await edge.cluster.invite() }),
  }),
  endpoint({
    name: 'cluster.info',
    http: { method: 'GET', path: '/cluster' },
    summary: 'The view of the cluster: its number, its leader, whether the brake is on',
    needs: 'operator',
    scope: 'global',
    async run(_, edge) {
      const { hosts: all, ...view } = await edge.cluster.view()
      return ok({ ...view, hosts: all.length })
    },
  }),
  endpoint({
    name: 'cluster.doctor',
    http: { method: 'GET', path: '/cluster/doctor' },
    summary: 'Checks of everything an operator should know of',
    needs: 'operator',
    scope: 'global',
    timeoutMs: doctorMs,
    run: async (_, edge) => ok(await edge.cluster.doctor()),
  }),
]

const drain = async (request: Request<{ readonly host: string }>, edge: Edge, draining: boolean) => {
  await edge.cluster.drain(request.params.host, draining)
  return ok({ name: request.params.host, draining })
}

const hostBody = (host: HostRow): object => {
  const { usage, since, leads, ...body } = host
  return {
    ...body,
    since: new Date(since).toISOString(),
    leader: leads,
    dynos: usage?.dynos ?? null,
    memory_bytes: usage?.memoryBytes ?? null,
    reserved_bytes: usage?.reservedBytes ?? null,
    load: usage?.load ?? null,
  }
}

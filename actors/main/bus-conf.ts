/**
 * What every bus server of this platform is like: its ports, who may use it and for what.
 */
import { routerShardsMax } from '../../config/load.ts'
import type { Access, TlsFiles } from '../../src/nats/config.ts'
import type { ApiUser } from '../../src/nats/permissions.ts'
import type { HostRecord } from './host-record.ts'
import type { Cluster } from './members-file.ts'

/** The name of the cluster in subjects; two clusters do not share a bus. */
export const busCluster = 'manifold'
/** What the operator's login may ask for: the API and the discovery of services. */
export const operatorSubjects = ['manifold.v1.api.>', '$SRV.>']

const grants = {
  cluster: busCluster,
  readable: ['KV_manifold', 'OBJ_manifold'],
  written: ['history.>', 'audit.>'],
  served: ['manifold.v1.>', '$SRV.>'],
  suffixes: Array.from({ length: routerShardsMax }, (_, index) => `-router-${index}`),
} as const

/** Ports after the first of a host's cluster ports. */
export const busPortOf = (first: number): number => first + 1
export const routePortOf = (first: number): number => first + 2
/** The server that is alone has a port of its own, so that its successor can be filled beside it. */
export const alonePortOf = (first: number): number => first + 3

export const tlsFilesOf = ({ files }: Cluster): TlsFiles => ({
  certificate: files.certificate,
  key: files.key,
  ca: files.authority,
})

/** Its users are the hosts on record, each by its key. */
export const accessOf = (
  hosts: readonly Pick<HostRecord, 'name' | 'nkey' | 'roles'>[],
  users: readonly ApiUser[] = [],
): Access => ({
  kind: 'hosts',
  users,
  hosts: hosts
    .map(({ name, nkey, roles }) => ({ name, nkey, control: roles.includes('control') }))
    .sort((a, b) => (a.name < b.name ? -1 : 1)),
  grants,
})

/**
 * What an operator may do to the cluster (actors/api/cluster.ts): from the view, the hosts' records and what
 * the hosts say of themselves.
 */
import type { Member, Members } from '../../src/membership/contract.ts'
import type { Feed } from '../../src/ports/feed.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Store } from '../../src/ports/store.ts'
import type { ClusterOperator, ClusterView, HostRow } from '../api/cluster.ts'
import { ApiError, notFound } from '../api/errors.ts'
import { takeBackup } from './backup.ts'
import { diagnose, emptyPlace } from './doctor.ts'
import type { DoctorDeps, Fleet } from './findings.ts'
import { changeHost, decodeHost, hostKey, listHosts, markRemoved } from './host-record.ts'
import { restore, type RestoreDeps } from './restore.ts'

export type OperatorDeps = Omit<DoctorDeps, 'view' | 'recorded'> & {
  readonly cluster: string
  readonly log: Log
  readonly members: Pick<Members, 'view' | 'remove'>
  /** A fresh join URL. */
  readonly invite: () => Promise<string>
  /** Tells every host that the record of one changed (`hostsTopic`). */
  readonly hostChanged: (host: string) => void
  /**
   * Takes the bus server of a removed host out of the cluster of servers, when it had one. False: nobody can
   * take its place yet.
   */
  readonly releaseServer: (host: string) => Promise<boolean>
  readonly store: Store
  readonly feed: Pick<Feed, 'count' | 'since'>
  /** Where the record lies in files while a backup is taken. */
  readonly sorting: string
  /** File in which a backup waits to be restored. */
  readonly spool: string
  /** The keys of config vars: what there is, and what may be done with them. */
  readonly keys: ClusterOperator['keys'] &
    Pick<RestoreDeps, 'needs'> & { readonly names: RestoreDeps['keys'] }
  /** The record is another now: what was read of it before is out of date, on every host. */
  readonly restored: () => void
}

const ended = new Set(['dead', 'left'])

export const openClusterOperator = (deps: OperatorDeps): ClusterOperator => {
  const { members, store, log } = deps
  const view = async (): Promise<ClusterView> => {
    const { number, leader, braked, members: all } = members.view()
    // Without it the rest is still worth showing.
    const fleet = await deps.fleet().catch(() => undefined)
    const usage = new Map(fleet?.hosts.map((host) => [host.name, host]))
    const hosts = all.map((member) => rowOf(member, leader, usage.get(member.name)))
    return {
      number,
      leader,
      braked,
      self: deps.self,
      hosts: hosts.sort((a, b) => (a.name < b.name ? -1 : 1)),
    }
  }
  const rowNamed = async (name: string): Promise<HostRow | undefined> =>
    (await view()).hosts.find((host) => host.name === name)

  return {
    view,
    async drain(host, draining) {
      const record = await changeHost(store, host, (known) =>
        known.draining === draining ? undefined : { ...known, draining },
      )
      if (record === undefined) throw notFound('host')
      log({ at: draining ? 'drain' : 'undrain', host })
      deps.hostChanged(host)
    },
    async remove(host, force) {
      const row = await rowNamed(host)
      const entry = await store.get(hostKey(host))
      if (row === undefined && entry === undefined) throw notFound('host')
      if (host === deps.self)
        throw new ApiError(
          'conflict',
          `${host} is the host that answers this: stop it, and remove it from another host.`,
        )
      if (!force) refuseRemoval(row)
      const isFilled = await deps.releaseServer(host)
      const record = entry && decodeHost(entry.value)
      if (record !== undefined) await markRemoved(store, host, record.nkey, deps.clock.now())
      await store.remove(hostKey(host))
      members.remove(host)
      log({ at: 'host-removed', host, force })
      deps.hostChanged(host)
      return { warning: isFilled ? null : emptyPlace([host]) }
    },
    invite: () => deps.invite(),
    doctor: async () =>
      diagnose({
        ...deps,
        view: members.view(),
        recorded: async () => (await listHosts(store)).map(({ name }) => name),
      }),
    keys: deps.keys,
    backup: (told, signal) => takeBackup({ ...deps, keys: deps.keys.names }, told, signal),
    async restore(chunks, force, told) {
      const restoring = { ...deps, keys: deps.keys.names, needs: deps.keys.needs }
      const done = await restore(restoring, chunks, force, told)
      log({ at: 'restored', ...done })
      deps.restored()
      return done
    },
  }
}

/** @throws ApiError `conflict` when something of the host would be lost, or come back by itself */
const refuseRemoval = (row: HostRow | undefined): void => {
  if (row === undefined || ended.has(row.state)) return
  const { name, state, usage } = row
  if (state === 'draining' && usage !== null && usage.dynos === 0) return
  const holds = usage === null ? '' : ` with ${usage.dynos} ${usage.dynos === 1 ? 'dyno' : 'dynos'}`
  const todo =
    state === 'suspect'
      ? 'wait until it is back or dead'
      : state === 'draining'
        ? 'wait until it is empty'
        : `run hosts:drain ${name} --wait, or stop it`
  throw new ApiError(
    'conflict',
    `${name} is ${state}${holds}: ${todo}. With --force it is removed now and its dynos start elsewhere.`,
  )
}

const rowOf = (member: Member, leader: string, usage: Fleet['hosts'][number] | undefined): HostRow => {
  const { name, state, since, roles, labels, address, version, protocol, server } = member
  const known = { name, state, since, roles, labels, address, version, protocol, server }
  const gone = usage === undefined || ended.has(state)
  return { ...known, leads: name === leader, usage: gone ? null : usageOf(usage) }
}

const usageOf = ({ dynos, memoryBytes, reservedBytes, load }: Fleet['hosts'][number]): HostRow['usage'] => ({
  dynos,
  memoryBytes,
  reservedBytes,
  load,
})

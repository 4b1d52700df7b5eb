/**
 * The API's port on a host that has no API: each call is passed on to a control host, the same one while
 * that is there, since what waits for a client (an attached run) waits in one process. No credentials of this
 * host or of its operator go with it: users bring their own.
 */
import { createServer } from 'node:http'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { Settings } from '../../config/load.ts'
import { keepCertificates } from '../../src/certs/keep.ts'
import { byFirstLine } from '../../src/http/first-line.ts'
import { listenShared } from '../../src/http/shared-port.ts'
import { openForward } from '../../src/peers/forward.ts'
import type { Peers } from '../../src/peers/client.ts'
import { splice } from '../../src/peers/splice.ts'
import type { Upstream } from '../../src/peers/upstream-agent.ts'
import type { Clock } from '../../src/ports/clock.ts'
import { passGreeting } from '../../src/rendezvous/rendezvous.ts'
import { writeEnvFile } from '../api/env-file.ts'
import { retryAfter, unavailable } from '../api/errors.ts'
import { faceTimeouts } from '../api/face/face.ts'
import { sayJson } from '../api/face/mount.ts'
import { apiPort } from '../api/port.ts'
import { addressesOf } from './addresses.ts'
import { factsPath, readFacts } from './host-facts.ts'
import type { Cluster } from './members-file.ts'
import type { Neighbours } from './neighbours.ts'
import type { HomePaths } from './paths.ts'

/** One line for the operator. */
export class PortsDiffer extends Error {
  override readonly name = 'PortsDiffer'
  readonly code = 'ports_differ'
}

const saidMsMax = 3_000

/**
 * Addresses in what control hosts answer (of git, attached runs, logs) have their own MANIFOLD_PORT, at which
 * clients of this host must find it. Who does not say now is not waited for; a change may be half way through
 * the hosts.
 * @throws PortsDiffer when all that say have another
 */
export const needSamePort = async (
  port: number,
  controls: readonly string[],
  call: Peers['call'],
): Promise<void> => {
  const asked = controls.map(async (host) => {
    const asking = call(host, factsPath, {}, { timeoutMs: saidMsMax }).then(readFacts)
    return { host, port: (await asking.catch(() => undefined))?.apiPort }
  })
  const told = (await Promise.all(asked)).filter((one) => one.port !== undefined)
  const [first] = told
  if (first === undefined || told.some((one) => one.port === port)) return
  const names = told.map(({ host }) => host).join(', ')
  throw new PortsDiffer(
    `MANIFOLD_PORT=${port} cannot be used: calls are passed on to ${names}, ` +
      `where it is ${first.port}; set MANIFOLD_PORT=${first.port} here too`,
  )
}

export type ForwardingDeps = {
  readonly settings: Settings
  readonly paths: HomePaths
  readonly cluster: Cluster
  readonly neighbours: Neighbours
  readonly clock: Clock
}

export const openForwarding = async (
  deps: ForwardingDeps,
): Promise<{ readonly close: () => Promise<void> }> => {
  const { settings, paths, cluster, neighbours } = deps
  const { members, peers } = neighbours
  const certificates = await keepCertificates(paths.localKeys, apiPort.names, deps.clock.now())
  const forward = openForward({
    authority: cluster.authorityPem,
    certificate: cluster.certificate,
    key: cluster.key,
    hosts: () => controlHosts(neighbours),
    refuse: (response, isUndone) => {
      response.setHeader('Retry-After', retryAfter)
      sayJson(response, 503, unavailable(isUndone).body())
    },
  })
  members.onChange(() => forward.drop((host) => neighbours.isGone(host)))
  const meet = (token: string, client: Duplex): boolean => {
    const host = forward.current()
    if (host === undefined) return false
    client.pause()
    peers
      .meet(host, token)
      .then(async (process) => (await passGreeting(process, client)) && splice(client, process))
      .catch(() => client.destroy())
    return true
  }
  const { certificate, key } = certificates.server
  const shared = await listenShared(
    { host: apiPort.address, port: settings.port },
    {
      http: createServer(faceTimeouts, forward.handle),
      tls: { certificate, key },
      other: byFirstLine(meet, apiPort.firstLineBytesMax),
      limits: apiPort,
    },
  )
  await writeEnvFile(paths.env, {
    ...addressesOf(settings),
    authorityPath: certificates.authorityPath,
    bundlePath: join(paths.localKeys, 'ca-bundle.pem'),
    home: settings.home,
  })
  return {
    close: async () => {
      await shared.close(apiPort.closeGraceMs)
      forward.close()
    },
  }
}

/** Those that are up; while none is known to be, all that there are. */
const controlHosts = (neighbours: Neighbours): readonly Upstream[] => {
  const all = neighbours.hosts().filter(({ roles }) => roles.includes('control'))
  const { members } = neighbours.members.view()
  const up = all.filter(({ name }) => members.some((one) => one.name === name && one.state === 'up'))
  return up.length > 0 ? up : all
}

/**
 * The API, put together: endpoints served over NATS, the HTTP face on its port, git and streams beside it.
 * The composition root gives the parts that reach outside this folder.
 */
import type { Clock } from '../../src/ports/clock.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Random } from '../../src/ports/random.ts'
import type { Objects, Store } from '../../src/ports/store.ts'
import type { Trail } from '../../src/ports/trail.ts'
import type { Certificates } from '../../src/certs/keep.ts'
import { byFirstLine } from '../../src/http/first-line.ts'
import { takeForwarded, type Forwarded } from '../../src/http/forwarded.ts'
import { listenShared } from '../../src/http/shared-port.ts'
import type { Rendezvous } from '../../src/rendezvous/rendezvous.ts'
import { openAppLists } from '../effects/perform/access.ts'
import { openTeams } from '../effects/perform/teams.ts'
import type { UsageReports } from '../protocols/usage.ts'
import type { Attempts } from './accounts/attempts.ts'
import { slowed } from './accounts/slowed.ts'
import type { Accounts } from './accounts/accounts.ts'
import { apiPort } from './port.ts'
import { openAudit } from './audit.ts'
import type { ClusterOperator } from './cluster.ts'
import type { ApiSettings, Edge, OutputStreams } from './edge.ts'
import { clusterMount } from './face/cluster.ts'
import { execMount, type Tunnel } from './face/exec.ts'
import { createFace, type ApiRequests } from './face/face.ts'
import { gitMount, type GitHandler } from './face/git.ts'
import { outputMount, slugMount } from './face/output.ts'
import { slugUploads } from './face/slug.ts'
import { sourceMount } from './face/source.ts'
import { tailMount, type Tails } from './face/tail.ts'
import { uploadGate } from './face/upload.ts'
import { createLogSessions } from './log-sessions.ts'
import { patient, patientTrail } from './patience.ts'
import { createRetries } from './retries.ts'
import { createRateLimits } from './rate-limits.ts'
import { endpoints } from './resources/index.ts'
import { apiService, type ServiceEndpoint } from './service.ts'
import { signedAddresses } from './signed.ts'

export type ApiParts = {
  readonly host: string
  readonly lostBuilds: Edge['lostBuilds']
  /** Tokens that opened nothing, by the address that they came from. */
  readonly guesses: Attempts
  /** Secret bytes that every control host has. */
  readonly signingKeys: () => readonly Uint8Array[]
  readonly objects: Objects
  readonly node: Pick<Edge, 'ask' | 'tell'>
  readonly store: Store
  /** Where changes are written down. */
  readonly trail: Trail
  readonly events: Edge['events']
  readonly busKeys: Edge['busKeys']
  readonly random: Random
  readonly clock: Clock
  readonly log: Log
  readonly vault: Edge['vault']
  readonly appCertificates: Edge['certificates']
  readonly rendezvous: Rendezvous
  readonly streams: OutputStreams
  readonly slugs: { readonly get: (sha256: string) => Promise<AsyncIterable<Uint8Array> | undefined> }
  readonly tails: Tails
  readonly git: GitHandler
  readonly tunnel: Tunnel
  readonly requests: ApiRequests
  /** Serves the endpoints to whoever asks over NATS. */
  readonly serve: (endpoints: readonly ServiceEndpoint[]) => Promise<{ readonly close: () => Promise<void> }>
  readonly certificates: Certificates
  readonly cluster: ClusterOperator
  readonly isolates: Edge['isolates']
  readonly usage: UsageReports
  readonly buildpacks: Edge['buildpacks']
  readonly repositories: Edge['repositories']
  readonly settings: ApiSettings
  readonly accounts: Accounts
  readonly ownerToken: string
  readonly listen: { readonly host: string; readonly port: number }
}

export type Api = {
  readonly port: number
  /** Answers calls that came in at another host. */
  readonly forwarded: Forwarded['take']
  readonly close: () => Promise<void>
}

const uploadsMax = 32

export const startApi = async (parts: ApiParts): Promise<Api> => {
  const { node, store, random, clock, log, vault, rendezvous, settings } = parts
  const now = (): number => clock.now()
  const signed = signedAddresses(parts.signingKeys, settings.apiUrl, now)
  const edge: Edge = {
    host: parts.host,
    lostBuilds: parts.lostBuilds,
    signed,
    ask: patient(clock, (to, message, options) => node.ask(to, message, options)),
    tell: (to, message, options) => node.tell(to, message, options),
    store,
    lists: openAppLists(store),
    teams: openTeams(store),
    random,
    now,
    log,
    vault,
    accounts: parts.accounts,
    authenticate: slowed(parts.accounts, parts.guesses, clock),
    audit: openAudit(patientTrail(clock, parts.trail), now, log),
    events: parts.events,
    busKeys: parts.busKeys,
    certificates: parts.appCertificates,
    sessions: createLogSessions(parts.signingKeys, random, now),
    rates: createRateLimits(now),
    retries: createRetries(now),
    rendezvous,
    cluster: parts.cluster,
    isolates: parts.isolates,
    usage: parts.usage,
    buildpacks: parts.buildpacks,
    repositories: parts.repositories,
    settings,
  }
  const gate = uploadGate(uploadsMax)
  const service = await parts.serve(apiService(endpoints, edge))
  const logStreams = tailMount(edge.sessions, parts.tails, clock)
  const http = await createFace({
    endpoints,
    requests: parts.requests,
    mounts: [
      gitMount(edge, parts.git),
      execMount(edge, parts.tunnel),
      logStreams,
      outputMount(parts.streams),
      slugMount(parts.slugs),
      sourceMount(signed, parts.objects, gate),
      slugUploads({ signed, store, objects: parts.objects, random, gate }),
      clusterMount(edge, parts.ownerToken),
    ],
    random,
    log,
  })
  const elsewhere = takeForwarded(http)
  const { certificate, key } = parts.certificates.server
  const shared = await listenShared(parts.listen, {
    http,
    tls: { certificate, key },
    other: byFirstLine((token, socket) => rendezvous.accept(token, socket), apiPort.firstLineBytesMax),
    limits: apiPort,
  })
  return {
    port: shared.port,
    forwarded: elsewhere.take,
    async close() {
      // Clean ends first: the stock client takes a reset stream for a failure.
      logStreams.close()
      await Promise.all([shared.close(apiPort.closeGraceMs), elsewhere.close(apiPort.closeGraceMs)])
      await service.close()
      rendezvous.close()
    },
  }
}

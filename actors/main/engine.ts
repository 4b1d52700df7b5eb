/**
 * What this host can do for its actors: the container engine, and every effect with its performer.
 */
import { existsSync } from 'node:fs'
import { chmod, mkdir } from 'node:fs/promises'
import { availableParallelism, loadavg, totalmem } from 'node:os'
import type { Duplex } from 'node:stream'
import { builtinFolders, helpers, mirrorProgram } from '../../config/buildpacks.ts'
import { findDynoSize } from '../../config/dyno-sizes.ts'
import { heroku } from '../../config/heroku.ts'
import type { Settings } from '../../config/load.ts'
import { issue, makeAuthority } from '../../src/certs/certificate.ts'
import { createOutputHub, type OutputHub } from '../../src/output/hub.ts'
import type { Driver } from '../../src/oci/driver.ts'
import { openOciDriver } from '../../src/oci/oci.ts'
import { openProcessDriver } from '../../src/oci/process.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Effects } from '../../src/ports/effects.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Random } from '../../src/ports/random.ts'
import type { Rendezvous } from '../../src/rendezvous/rendezvous.ts'
import type { Sandbox } from '../../src/slug/sandbox.ts'
import { findNpm, platformNode } from '../../src/slug/platform-node.ts'
import { openMirror, type MirrorOptions } from '../../src/slug/mirror.ts'
import { openRegistry, type Registry } from '../../src/slug/registry.ts'
import { buildsUnderWay } from '../effects/perform/build-records.ts'
import { postOnce } from '../../src/syslog/post.ts'
import { openSink } from '../../src/syslog/sink.ts'
import { performBuilder } from '../effects/perform/builder.ts'
import type { LostBuilds } from '../lost-builds.ts'
import { performCensus } from '../effects/perform/census.ts'
import { dynosReady, limitsOf, performContainer, slugsInUse } from '../effects/perform/container.ts'
import { openInside, type Inside } from '../effects/perform/container/inside.ts'
import { createSlugs } from '../effects/perform/container/slugs.ts'
import { newestRoot, wholeMachine, type StackRoot } from '../effects/perform/container/stacks.ts'
import { performDrains } from '../effects/perform/drains.ts'
import { performEvents, type EventsDeps, type TellBuild } from '../effects/perform/events.ts'
import { performFleet } from '../effects/perform/fleet.ts'
import { performHistory } from '../effects/perform/history.ts'
import { performAccess } from '../effects/perform/access.ts'
import { performNames } from '../effects/perform/names.ts'
import { performRecords } from '../effects/perform/records.ts'
import { performRoutes } from '../effects/perform/routes.ts'
import { performSaid } from '../effects/perform/said.ts'
import { performSetups } from '../effects/perform/setups.ts'
import { performHooks } from '../effects/perform/webhooks.ts'
import { performUsage } from '../effects/perform/usage.ts'
import { containerSandbox, endSandboxes } from '../effects/perform/sandbox.ts'
import type { Certificates } from '../effects/perform/certificates.ts'
import type { Vault } from '../effects/perform/vault.ts'
import { readOutput } from '../logplex/output.ts'
import type { Deliver } from '../logplex/deliver.ts'
import type { Outbox } from '../logplex/outbox.ts'
import { createShuttle, filePlaces, type Shuttle } from '../logplex/shuttle.ts'
import type { Line } from '../protocols/channel.ts'
import type { Bus } from './bus.ts'
import type { HomePaths } from './paths.ts'

export type Engine = {
  readonly driver: Driver
  readonly hub: OutputHub
  readonly shuttle: Shuttle
  readonly effects: Effects
  /** What it cannot do on this machine, for the operator to know. */
  readonly gaps: () => Promise<readonly string[]>
  /** Sessions in dynos of this host. */
  readonly inside: Inside
  /** The packed slug on this disk, for other hosts. Undefined: not here. */
  readonly buildpacks: Registry
  readonly packedSlug: (sha256: string) => string | undefined
}

export type EngineDeps = {
  readonly settings: Settings
  readonly paths: HomePaths
  readonly bus: Bus
  readonly vault: Vault
  readonly certificates: Certificates
  readonly rendezvous: Rendezvous
  readonly random: Random
  readonly clock: Clock
  readonly now: () => number
  readonly log: Log
  readonly appUrl: (appName: string) => string
  readonly isGone: (host: string) => boolean
  readonly lost: Pick<LostBuilds, 'settle'>
  /** Addresses that no dyno reaches from the first on. */
  readonly denied: readonly string[]
  /** Brings lines to an app's channel until they are stored. */
  readonly deliver: Deliver
  /** What this process says in apps' logs. */
  readonly said: Outbox<Line>
  readonly events: EventsDeps
  /** Tells of a build. */
  readonly told: TellBuild
  /** The packed slug from another host's disk; undefined when nobody is known to have it. */
  readonly fetchSlug?: (sha256: string) => Promise<AsyncIterable<Uint8Array> | undefined>
  /** A client that waits at another host's API; undefined when that host is this one. */
  readonly attachElsewhere?: (host: string, token: string) => Promise<Duplex> | undefined
}

const outputBytesMax = 10 * 1024 * 1024
const mirrorDays = 3650
/** Heroku builds on a large dyno, whatever the app runs on. */
const buildSize = 'Performance-M'

const buildsAtOnceMax = 16
const mirrorUnused =
  'MANIFOLD_BUILD_MIRROR is not used here: only builds in containers can be led to it (driver=process)'

/** A processor and its memory for each. */
export const buildsAtOnce = (cores = availableParallelism(), memoryBytes = totalmem()): number => {
  const each = findDynoSize(buildSize)?.memoryBytes ?? memoryBytes
  return Math.max(1, Math.min(buildsAtOnceMax, cores, Math.floor(memoryBytes / each)))
}

/** `oci` where it can be: Linux, root, and runc installed. */
export const chooseDriver = (settings: Settings): 'oci' | 'process' =>
  settings.driver ??
  (process.platform === 'linux' && process.getuid?.() === 0 && existsSync('/usr/sbin/runc')
    ? 'oci'
    : 'process')

/** What this host listens on itself, for others. */
const portsOf = ({
  port,
  routerPort,
  routerTlsPort,
  logplexPort,
  clusterPort,
}: Settings): readonly number[] => [
  port,
  routerPort,
  routerTlsPort,
  logplexPort,
  clusterPort,
  clusterPort + 1,
  clusterPort + 2,
]

/** Its authority lives as long as this process, and only builds trust it. */
const mirrorOf = (
  { buildMirror: folder }: Settings,
  tls: string,
  now: () => number,
): ((sandbox: Sandbox) => Sandbox) | undefined => {
  if (folder === undefined) return undefined
  const commonName = 'Manifold build mirror'
  const own = { ...makeAuthority(commonName, now(), mirrorDays), commonName }
  const certify: MirrorOptions['certify'] = (hosts) => ({
    ...issue(own, hosts, now(), mirrorDays),
    authority: own.certificate,
  })
  return openMirror({ folder, program: mirrorProgram, tls, certify })
}

export const openEngine = async (deps: EngineDeps): Promise<Engine> => {
  const { settings, paths, bus, vault, random, now } = deps
  const stateDir = paths.containers
  const driver =
    chooseDriver(settings) === 'oci'
      ? await openOciDriver({
          stateDir,
          now,
          portsKept: portsOf(settings),
          denied: deps.denied,
          ready: dynosReady,
        })
      : await openProcessDriver({ stateDir, now, portsKept: portsOf(settings) })
  await driver.sweep()
  await endSandboxes(driver)
  // Dynos' own users walk through these folders; they can list none of them.
  for (const folder of [settings.home, paths.slugs]) {
    await mkdir(folder, { recursive: true })
    await chmod(folder, 0o711)
  }
  const hub = createOutputHub(paths.output, outputBytesMax)
  // Their readers wait for the word on what became of them, which the next life of Builds says.
  for (const buildId of buildsUnderWay(settings.home)) hub.resume(buildId)
  const shuttle = createShuttle(filePlaces(paths.shipping), driver, deps.deliver, random.uuid())
  const rootOf = (stack: string): StackRoot =>
    driver.kind === 'process' ? wholeMachine : newestRoot(paths.stacks, stack)
  const size = findDynoSize(buildSize)
  if (size === undefined) throw new RangeError(`${buildSize} is no dyno size`)
  const newId = (): string => `build-${random.uuid()}`
  const limits = { ...limitsOf(size), diskBytes: heroku.buildDiskBytes }
  const mirror = driver.kind === 'oci' ? mirrorOf(settings, paths.mirrorTls, now) : undefined
  const sandboxOf = (stack: string): Sandbox => {
    const sandbox = containerSandbox({ driver, on: rootOf(stack), limits, newId })
    return mirror === undefined ? sandbox : mirror(sandbox)
  }
  const npm = await findNpm(settings.searchPath)
  const ownNode = await platformNode(paths.buildNode, { node: process.execPath, npm })
  const platform = {
    env: { ...settings.buildEnv, ...ownNode.env, ...helpers.env },
    mounts: [...ownNode.mounts, ...helpers.mounts],
  }
  const buildpacks = openRegistry(settings.buildpacks, builtinFolders)
  const slugs = createSlugs({
    ...deps,
    folder: paths.slugs,
    objects: bus.objects,
    inUse: () => slugsInUse(driver),
    onError: (cause) =>
      deps.log({ at: 'slugs-not-pruned', reason: cause instanceof Error ? cause.message : 'unknown' }),
  })
  const { store, objects, transport } = bus
  return {
    driver,
    gaps: async () => [
      ...(await driver.gaps()),
      ...(settings.buildMirror === undefined || mirror !== undefined ? [] : [mirrorUnused]),
    ],
    hub,
    shuttle,
    inside: openInside(driver),
    buildpacks,
    packedSlug: (sha256) => slugs.packedOf(sha256),
    effects: {
      ...vault.effects,
      ...deps.certificates.effects,
      ...performAccess(store),
      ...performNames(store),
      ...performCensus(store),
      ...performFleet(transport, () => loadavg()[0] ?? 0),
      ...performRecords((key) => store.peek(key)),
      ...performRoutes(transport),
      ...performUsage(store, now),
      ...performHistory(bus.history),
      ...performSaid(deps.said),
      ...performEvents(deps.events),
      ...performHooks({
        log: bus.events,
        open: (appId, sealedId) => vault.open(appId, sealedId),
        post: (address, headersOf, body) =>
          postOnce(address, { clock: deps.clock, random: () => random.next() }, headersOf, body),
      }),
      ...performDrains({
        openSink: (address, protocol) =>
          openSink(address, { clock: deps.clock, random: () => random.next() }, protocol),
        openHeaders: (appId, headersId) => vault.open(appId, headersId),
        now,
      }),
      ...performContainer({
        ...deps,
        driver,
        slugs,
        shuttle,
        rootOf,
        appDomain: settings.appDomain,
        memoryBytes: settings.dynoMemoryBytes,
      }),
      ...performSetups({ ...deps, home: settings.home, sandboxOf, objects, platform }),
      ...performBuilder({
        ...deps,
        home: settings.home,
        sandboxOf,
        buildpacks,
        platform,
        objects,
        seed: (sha256, tree, file) => slugs.seed(sha256, tree, file),
        store,
        hub,
        readOutput: (id, reader) => readOutput(bus.history, id, reader),
        uuid: () => random.uuid(),
      }),
    },
  }
}

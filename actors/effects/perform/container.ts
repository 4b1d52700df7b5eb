/**
 * Performs Container over a driver of src/oci: slugs to folders, runs to containers, and back.
 *
 * The whole Run is kept as a label of its container, so that a host that starts again knows what it finds.
 */
import { connect } from 'node:net'
import { totalmem } from 'node:os'
import type { Duplex } from 'node:stream'
import { EffectFailed, type Effects } from '../../../src/ports/effects.ts'
import { OciError } from '../../../src/oci/errors.ts'
import type { Attached, ContainerSpec, Driver, Found as Listed } from '../../../src/oci/driver.ts'
import { containersMemoryBytes } from '../../../src/oci/machine.ts'
import type { Random } from '../../../src/ports/random.ts'
import type { Rendezvous } from '../../../src/rendezvous/rendezvous.ts'
import { dynoSizeDefault, findDynoSize, type DynoSize } from '../../../config/dyno-sizes.ts'
import type { Sample } from '../../dyno/sample.ts'
import { heroku } from '../../../config/heroku.ts'
import { shipmentOf, type Shuttle } from '../../logplex/shuttle.ts'
import type { Run, Slug } from '../../protocols/shapes.ts'
import type { Found } from '../container.ts'
import { openClients } from './container/clients.ts'
import { dynoFile, portRange, processArgv, processEnv } from './container/environment.ts'
import type { Slugs } from './container/slugs.ts'
import { rootLabel, type StackRoot } from './container/stacks.ts'
import { asEffectFailure } from './names.ts'
import type { Vault } from './vault.ts'

export type ContainerDeps = {
  readonly driver: Driver
  readonly slugs: Slugs
  readonly shuttle: Shuttle
  readonly vault: Vault
  readonly rendezvous: Rendezvous
  /**
   * The client of a run that was asked for at another host's API, once it has come there. Undefined: that
   * host is this one.
   */
  readonly attachElsewhere?: (host: string, token: string) => Promise<Duplex> | undefined
  readonly random: Random
  readonly now: () => number
  /** Apps answer at their name under it. */
  readonly appDomain: string
  /** The root file system of a stack that what starts now runs on. Throws EffectFailed. */
  readonly rootOf: (stack: string) => StackRoot
  /** What dynos are promised together; all of the machine's when left out. */
  readonly memoryBytes?: number | undefined
}

const probeMsMin = 5
const probeMsMax = 50
const probeTimeoutMs = 1_000
const openFilesMax = 10_000
const cpuSharesOfOne = 1_024

/** 128 + SIGKILL: what a run that ended unseen (power loss) is taken for. */
const killedCode = 137

export const limitsOf = (size: DynoSize): ContainerSpec['limits'] => ({
  memoryBytes: size.memoryBytes,
  // Heroku swaps up to as much again before it kills (R14, then R15).
  swapBytes: size.memoryBytes,
  pidsMax: size.processesMax,
  cpuShares: size.cpuShares * cpuSharesOfOne,
  openFilesMax,
  diskBytes: heroku.dynoDiskBytes,
})

/** Made ahead for dynos that start detached: a few of one app at once, and what an idle host may spend. */
export const dynosReady = { count: 4, diskBytes: heroku.dynoDiskBytes }

export const performContainer = (deps: ContainerDeps): Effects => {
  const { driver, slugs, shuttle, random } = deps
  const clients = openClients(deps)

  /** Where each has all ports for itself, any will do. */
  const pickPort = (): Promise<number> =>
    driver.lendPort?.() ??
    Promise.resolve(portRange.from + Math.floor(random.next() * (portRange.to - portRange.from)))

  const specOf = async (run: Run, port: number): Promise<ContainerSpec> => {
    const size = findDynoSize(run.size) ?? findDynoSize(dynoSizeDefault)
    if (size === undefined) throw new EffectFailed('bad_size', `${run.size} is no dyno size`)
    const vars = await deps.vault.open(run.appId, run.configId)
    const terminal = run.attach?.terminal
    const { root, layers } = deps.rootOf(run.slug.stack)
    return {
      id: run.id,
      root,
      layers: [...layers, { source: slugs.folderOf(run.slug), target: '/app', mode: 'overlay' }],
      argv: processArgv(run.command),
      cwd: '/app',
      env: processEnv(run, vars, { appDir: '/app', port, domain: deps.appDomain }),
      limits: limitsOf(size),
      files: [{ target: '/etc/heroku/dyno', text: dynoFile(run) }],
      hostname: run.id,
      labels: { kind: 'dyno', run: JSON.stringify(run), port: String(port), [rootLabel]: root },
      ...(terminal ? { terminal } : {}),
      network: 'own',
      ...(serves(run) ? { expose: port } : {}),
    }
  }

  const startAttached = async (
    run: Run,
    attach: NonNullable<Run['attach']>,
    spec: ContainerSpec,
  ): Promise<Attached> => {
    const client = await clients.of(attach)
    const attached = await driver.attach(spec).catch((error: unknown) => {
      client.destroy()
      throw error
    })
    clients.join(run, client, attached)
    return attached
  }

  return {
    ...clients.effects,

    'container.prepare': async ({ slug }: { slug: Slug }) => void (await slugs.prepare(slug)),

    'container.start': async ({ run }: { run: Run }) => {
      try {
        const port = await pickPort()
        const spec = await specOf(run, port)
        const { address, outer, startedAtMs } =
          run.attach === null
            ? await driver.start(spec)
            : { ...(await startAttached(run, run.attach, spec)), startedAtMs: deps.now() }
        return { address, port, outer: outer ?? null, startedAt: startedAtMs }
      } catch (error) {
        throw error instanceof OciError
          ? new EffectFailed(error.code, error.message, { cause: error })
          : asEffectFailure(error)
      }
    },

    'container.bound': async (
      at: { runId: string; address: string; port: number },
      cancelled: AbortSignal,
    ) => {
      const ended = new AbortController()
      driver.wait(at.runId).then(
        () => ended.abort(),
        () => ended.abort(),
      )
      for (let pauseMs = probeMsMin; !(await accepts(at.address, at.port)); pauseMs *= 2) {
        if (ended.signal.aborted || cancelled.aborted)
          throw new EffectFailed('exited', 'it ended before it listened')
        await new Promise((resolve) => setTimeout(resolve, Math.min(pauseMs, probeMsMax)))
      }
    },

    'container.wait': async ({ runId }: { runId: string }) => {
      try {
        const { code, oomKilled } = await driver.wait(runId)
        return { code: code ?? killedCode, oomKilled }
      } catch (error) {
        throw asEffectFailure(error)
      }
    },

    'container.signal': async ({ runId, signal }: { runId: string; signal: NodeJS.Signals }) => {
      try {
        await driver.signal(runId, signal, 'all')
      } catch (error) {
        throw asEffectFailure(error)
      }
    },

    'container.ship': async ({ run }: { run: Run }) => {
      try {
        if (run.attach !== null) await driver.wait(run.id)
        else await shuttle.ship(shipmentOf(run))
      } catch (error) {
        throw asEffectFailure(error)
      }
    },

    'container.remove': async ({ runId }: { runId: string }) => {
      try {
        clients.forget(runId)
        await driver.remove(runId)
        await shuttle.forget(runId)
      } catch (error) {
        throw asEffectFailure(error)
      }
    },

    'container.sample': async ({ runId }: { runId: string }): Promise<Sample> => {
      try {
        const { rssBytes, cacheBytes, swapBytes, pgpgin, pgpgout, runnable } = await driver.stats(runId)
        return { rssBytes, cacheBytes, swapBytes, pgpgin, pgpgout, runnable }
      } catch (error) {
        throw asEffectFailure(error)
      }
    },

    'container.list': async () => {
      try {
        const all = await driver.list()
        const runs = all.flatMap((container): Found[] => {
          const run = runOf(container)
          if (run === undefined) return []
          const { labels, startedAtMs, address, outer = null } = container
          return [{ run, startedAt: startedAtMs, address, port: Number(labels['port']), outer }]
        })
        return { runs }
      } catch (error) {
        throw asEffectFailure(error)
      }
    },

    // What placement gives away is what the machine lets all of them have.
    'container.capacity': () =>
      Promise.resolve({ memoryBytes: deps.memoryBytes ?? containersMemoryBytes(totalmem()) }),
  }
}

const runOf = ({ labels }: Pick<Listed, 'labels'>): Run | undefined =>
  labels['kind'] === 'dyno' && labels['run'] !== undefined ? (JSON.parse(labels['run']) as Run) : undefined

/** Sums of the slugs from which containers of this host run. */
export const slugsInUse = async (driver: Pick<Driver, 'list'>): Promise<ReadonlySet<string>> =>
  new Set((await driver.list()).flatMap((container) => runOf(container)?.slug.sha256 ?? []))

/** Whether routers lead to it. A one-off may be of type web, but serves nobody. */
const serves = (run: Run): boolean => run.type === 'web' && run.timeToLiveMs === null

/** Whether something accepts a connection there now. */
const accepts = (address: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: probeTimeoutMs })
    const end = (is: boolean) => () => {
      socket.destroy()
      resolve(is)
    }
    socket.once('connect', end(true)).once('error', end(false)).once('timeout', end(false))
  })

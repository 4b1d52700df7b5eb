/**
 * What a host can say of itself that no view or record tells: its clock, its disks, what its engine runs.
 * Asked by the doctor of every host.
 */
import { readdir, statfs } from 'node:fs/promises'
import type { Settings } from '../../config/load.ts'
import type { Driver } from '../../src/oci/driver.ts'
import { checker, is, type Static } from '../../src/runtime/index.ts'
import type { Run } from '../protocols/shapes.ts'

export const hostFactsShape = is.obj({
  name: is.str,
  /** Its wall clock, epoch ms. */
  nowMs: is.int,
  version: is.str,
  /** Its MANIFOLD_PORT and MANIFOLD_ROUTER_PORT, which addresses in answers have; older hosts do not say. */
  apiPort: is.opt(is.int),
  routerPort: is.opt(is.int),
  disks: is.arr(is.obj({ what: is.str, freeBytes: is.num, totalBytes: is.num })),
  /** Dynos that run in its engine. */
  dynos: is.arr(is.obj({ runId: is.str, appId: is.str, appName: is.str, dyno: is.str })),
  /** What its engine cannot do there, as keep dynos from something; older hosts say nothing of it. */
  gaps: is.opt(is.arr(is.str)),
  /** Names of the stacks that dynos here can be on; of a host that isolates, and has the role. */
  stacks: is.opt(is.arr(is.str)),
  /** Of the record, taken by itself; ms since 1970, null when there is none. */
  newestBackupAt: is.orNull(is.num),
})
export type HostFacts = Static<typeof hostFactsShape>

export type FactsDeps = {
  readonly name: string
  readonly version: string
  readonly settings: Pick<Settings, 'home' | 'port' | 'routerPort'>
  readonly backups: string
  readonly driver: Pick<Driver, 'list' | 'gaps'>
  /** Undefined: no dyno is on any. */
  readonly stacks?: () => readonly string[]
  readonly now: () => number
}

/** Where hosts ask it of each other (src/peers). */
export const factsPath = '/facts'

export const hostFacts = async (deps: FactsDeps): Promise<HostFacts> => {
  const { bavail, bsize, blocks } = await statfs(deps.settings.home)
  const found = await deps.driver.list()
  return {
    name: deps.name,
    version: deps.version,
    apiPort: deps.settings.port,
    routerPort: deps.settings.routerPort,
    disks: [{ what: 'home', freeBytes: bavail * bsize, totalBytes: blocks * bsize }],
    dynos: found.flatMap(({ state, labels }) => {
      if (state !== 'running' || labels['kind'] !== 'dyno' || labels['run'] === undefined) return []
      const { id, appId, appName, name } = JSON.parse(labels['run']) as Run
      return [{ runId: id, appId, appName, dyno: name }]
    }),
    gaps: [...(await deps.driver.gaps())],
    ...(deps.stacks && { stacks: [...deps.stacks()] }),
    newestBackupAt: await newestBackup(deps.backups),
    // Read last, so that what came before does not make the clock look slow.
    nowMs: deps.now(),
  }
}

const newestBackup = async (folder: string): Promise<number | null> => {
  try {
    const names = (await readdir(folder)).filter((name) => /^record-.*\.jsonl$/.test(name)).sort()
    const [, date, hour, minute, second] =
      /^record-(\d{8})T(\d\d)(\d\d)(\d\d)Z/.exec(names.at(-1) ?? '') ?? []
    if (date === undefined) return null
    const day = `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}`
    return Date.parse(`${day}T${hour}:${minute}:${second}Z`)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

const check = checker(hostFactsShape)

/** What came from another host, which may be of another version. */
export const readFacts = (body: unknown): HostFacts => {
  const fault = check(body)
  if (fault !== undefined) throw new TypeError(`the answer is not understood: ${fault.path} ${fault.want}`)
  return body as HostFacts
}

/**
 * Orphans: what one side knows and the other does not. Dynos that run and that no formation has on record,
 * runs on record whose host is gone, and records of hosts that nobody sees.
 */
import { ActError } from '../../src/runtime/errors.ts'
import type { Store } from '../../src/ports/store.ts'
import type { Finding } from '../api/cluster.ts'
import { formationFormat } from '../formation/kept.ts'
import type { Formed } from '../formation/record.ts'
import { answered, ok, warn, type Answers, type DoctorDeps } from './findings.ts'

const prefix = 'actor/formation/'
const namedMax = 5

type Dyno = { readonly host: string; readonly runId: string; readonly appId: string; readonly name: string }

/** Dynos were listed first and records are read now: whatever runs by right is on record by now. */
export const checkOrphans = async (
  deps: Pick<DoctorDeps, 'store' | 'facts' | 'view' | 'recorded'>,
  told: Answers,
): Promise<readonly Finding[]> => {
  const { formations, unread } = await readFormations(deps.store)
  const strangers = dynosOf(told).filter(({ appId, runId }) => !knows(formations.get(appId), runId))
  const present = new Set(
    deps.view.members.flatMap(({ name, state }) => (state === 'dead' || state === 'left' ? [] : [name])),
  )
  const findings = [
    ofDynos(await stillThere(deps, strangers)),
    ofRuns(formations, present),
    ofHosts(await deps.recorded(), deps.view),
  ]
  if (unread.length > 0)
    findings.push(
      warn(
        'records',
        `${unread.length} cannot be read by this build: ${some(unread)}`,
        'bring all hosts to the newest version',
      ),
    )
  return findings
}

const some = (names: readonly string[]): string =>
  names.length > namedMax ? `${names.slice(0, namedMax).join(', ')}, …` : names.join(', ')

const readFormations = async (store: Store) => {
  const formations = new Map<string, Formed>()
  const unread: string[] = []
  for (const { key, value } of await store.list(prefix)) {
    try {
      formations.set(key.slice(prefix.length), formationFormat.decode(value, key).state as Formed)
    } catch (error) {
      if (!(error instanceof ActError)) throw error
      unread.push(key)
    }
  }
  return { formations, unread }
}

const dynosOf = (told: Answers): readonly Dyno[] =>
  answered(told).flatMap(([host, { facts }]) =>
    facts.dynos.map(({ runId, appId, appName, dyno }) => {
      return { host, runId, appId, name: `${appName} ${dyno} on ${host}` }
    }),
  )

/** A run that is being ended is known too. */
const knows = (formed: Formed | undefined, runId: string): boolean =>
  formed !== undefined &&
  (formed.ending.some(({ id }) => id === runId) ||
    formed.slots.some(({ run, old }) => run?.id === runId || old?.id === runId))

/** What ended in between was known when it was listed. */
const stillThere = async (
  { facts }: Pick<DoctorDeps, 'facts'>,
  dynos: readonly Dyno[],
): Promise<readonly Dyno[]> => {
  const hosts = [...new Set(dynos.map(({ host }) => host))]
  const running = await Promise.all(
    hosts.map(async (host) => (await facts(host).catch(() => undefined))?.dynos.map(({ runId }) => runId)),
  )
  const left = new Set(running.flatMap((ids) => ids ?? []))
  return dynos.filter(({ runId }) => left.has(runId))
}

const ofDynos = (strangers: readonly Dyno[]): Finding =>
  strangers.length === 0
    ? ok('orphans', 'every dyno that runs is on record')
    : warn(
        'orphans',
        `${strangers.length} dynos run that no formation knows: ${some(strangers.map(({ name }) => name))}`,
        'they are adopted or stopped within a minute; if not, restart their host’s process',
      )

const ofRuns = (formations: ReadonlyMap<string, Formed>, present: ReadonlySet<string>): Finding => {
  const lost = [...formations.values()].flatMap(({ appName, slots }) =>
    slots.flatMap(({ name, run }) =>
      run?.host == null || present.has(run.host) ? [] : [`${appName} ${name} on ${run.host}`],
    ),
  )
  return lost.length === 0
    ? ok('runs', 'every run on record is on a host that is there')
    : warn(
        'runs',
        `${lost.length} are on hosts that are gone: ${some(lost)}`,
        'they start elsewhere unless the brake is on or there is no room',
      )
}

const ofHosts = (recorded: readonly string[], { members }: DoctorDeps['view']): Finding => {
  const seen = new Set(members.map(({ name }) => name))
  const unseen = recorded.filter((name) => !seen.has(name))
  return unseen.length === 0
    ? ok('members', `${recorded.length} hosts are on record, and each of them was seen`)
    : warn('members', `on record and never seen lately: ${some(unseen)}`, 'start them, or hosts:remove them')
}

/**
 * Orphans: what one side knows and the other does not. Dynos that run and that no formation has on record,
 * runs on record whose host is gone, and records of hosts that nobody sees.
 */
import { ActError } from '../../src/runtime/errors.ts'
import type { Finding } from '../api/cluster.ts'
import { formationFormat } from '../formation/kept.ts'
import type { Formed } from '../formation/record.ts'
import { answered, ok, warn, type Answers, type DoctorDeps } from './findings.ts'

const prefix = 'actor/formation/'
const namedMax = 5

type Dyno = { readonly host: string; readonly runId: string; readonly appId: string; readonly name: string }

/** Dynos were listed first and records are read now: whatever runs by right is on record by now. */
export const checkOrphans = async (
  deps: Pick<DoctorDeps, 'feed' | 'facts' | 'view' | 'recorded'>,
  told: Answers,
): Promise<readonly Finding[]> => {
  const present = new Set(
    deps.view.members.flatMap(({ name, state }) => (state === 'dead' || state === 'left' ? [] : [name])),
  )
  const { strangers, lost, unread } = await readFormations(deps.feed, dynosOf(told), present)
  const findings = [
    ofDynos(await stillThere(deps, strangers)),
    ofRuns(lost),
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

/** What is amiss with all formations, one after the other; one that changes meanwhile comes again. */
const readFormations = async (
  feed: DoctorDeps['feed'],
  dynos: readonly Dyno[],
  present: ReadonlySet<string>,
) => {
  const running = Map.groupBy(dynos, ({ appId }) => appId)
  const strangers = new Set(dynos)
  const lost = new Map<string, readonly string[]>()
  const unread = new Set<string>()
  for await (const { key, value } of feed.since(prefix, 0)) {
    unread.delete(key)
    lost.delete(key)
    if (value === undefined) continue
    const formed = formedIn(key, value)
    if (formed === undefined) {
      unread.add(key)
      continue
    }
    for (const dyno of running.get(key.slice(prefix.length)) ?? [])
      if (knows(formed, dyno.runId)) strangers.delete(dyno)
    const runs = lostRuns(formed, present)
    if (runs.length > 0) lost.set(key, runs)
  }
  return { strangers: [...strangers], lost: [...lost.values()].flat(), unread: [...unread] }
}

const formedIn = (key: string, value: Uint8Array): Formed | undefined => {
  try {
    return formationFormat.decode(value, key).state as Formed
  } catch (error) {
    if (error instanceof ActError) return undefined
    throw error
  }
}

const dynosOf = (told: Answers): readonly Dyno[] =>
  answered(told).flatMap(([host, { facts }]) =>
    facts.dynos.map(({ runId, appId, appName, dyno }) => {
      return { host, runId, appId, name: `${appName} ${dyno} on ${host}` }
    }),
  )

/** A run that is being ended is known too. */
const knows = ({ ending, slots }: Formed, runId: string): boolean =>
  ending.some(({ id }) => id === runId) ||
  slots.some(({ run, old }) => run?.id === runId || old?.id === runId)

const lostRuns = ({ appName, slots }: Formed, present: ReadonlySet<string>): readonly string[] =>
  slots.flatMap(({ name, run }) =>
    run?.host == null || present.has(run.host) ? [] : [`${appName} ${name} on ${run.host}`],
  )

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

const ofRuns = (lost: readonly string[]): Finding =>
  lost.length === 0
    ? ok('runs', 'every run on record is on a host that is there')
    : warn(
        'runs',
        `${lost.length} are on hosts that are gone: ${some(lost)}`,
        'they start elsewhere unless the brake is on or there is no room',
      )

const ofHosts = (recorded: readonly string[], { members }: DoctorDeps['view']): Finding => {
  const seen = new Set(members.map(({ name }) => name))
  const unseen = recorded.filter((name) => !seen.has(name))
  return unseen.length === 0
    ? ok('members', `${recorded.length} hosts are on record, and each of them was seen`)
    : warn('members', `on record and never seen lately: ${some(unseen)}`, 'start them, or hosts:remove them')
}

/**
 * The doctor: looks at everything an operator should know of, each in its own words: well, worth a look, or
 * broken, and what to do about it. It changes nothing but one record of its own.
 */
import type { Member, Membership } from '../../src/membership/contract.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Finding, KeysView } from '../api/cluster.ts'
import { checkOrphans } from './doctor-orphans.ts'
import { answered, fail, ok, reasonOf, warn, type Answers, type DoctorDeps, type Told } from './findings.ts'

const checkMs = 10_000
/** Well below the time for a check: one silent host must not hide what the others say. */
const askMs = 4_000
const slowWriteMs = 1_000
const skewWarnMs = 500
const skewFailMs = 10_000
const gb = 1024 ** 3
const diskWarn = { share: 0.1, bytes: 5 * gb }
const diskFail = { share: 0.02, bytes: gb }
const backupAgeWarnMs = 3_600_000

export const diagnose = async (deps: DoctorDeps): Promise<readonly Finding[]> => {
  const { view } = deps
  const present = view.members.filter(({ state }) => state !== 'dead' && state !== 'left')
  const told = new Map<string, Told | string>()
  const asked = Promise.all(
    present.map(async ({ name }) => {
      told.set(name, await askOne(deps, name))
    }),
  )
  const checks: readonly (readonly [string, () => Promise<readonly Finding[]> | readonly Finding[]])[] = [
    ['bus', () => checkBus(deps, present)],
    ['servers', () => checkServers(deps)],
    ['hosts', () => [checkHosts(view), checkBrake(view)]],
    // Of a host that is known from the record alone nobody knows yet what it runs.
    ['versions', () => [checkVersions(present.filter(({ version }) => version !== ''))]],
    ['answers', async () => (await asked, [checkAnswers(told), ...checkClocks(told, deps.self)])],
    ['ports', async () => (await asked, checkPorts(told))],
    ['disk', async () => (await asked, checkDisks(told))],
    ['isolation', async () => (await asked, [checkIsolation(told)])],
    ['stacks', async () => (await asked, checkStacks(told))],
    ['backups', async () => (await asked, [checkBackups(told, deps.clock.now())])],
    ['keys', async () => checkKeys(await deps.keys.view())],
    ['room', () => checkRoom(deps)],
    ['orphans', async () => (await asked, checkOrphans(deps, told))],
  ]
  const done = await Promise.all(checks.map(([what, check]) => within(deps.clock, what, check)))
  return done.flat()
}

/** A check that fails is a finding; one that hangs too. */
const within = async (
  clock: Clock,
  what: string,
  check: () => Promise<readonly Finding[]> | readonly Finding[],
): Promise<readonly Finding[]> => {
  const late = Promise.withResolvers<readonly Finding[]>()
  const todo = 'the bus answers no reads: see the line of the bus'
  const timer = clock.after(checkMs, () =>
    late.resolve([fail(what, `could not be looked at within ${checkMs / 1000} s`, todo)]),
  )
  try {
    return await Promise.race([Promise.resolve().then(check), late.promise])
  } catch (error) {
    return [fail(what, `could not be looked at: ${reasonOf(error)}`, todo)]
  } finally {
    timer.cancel()
  }
}

/** Half of the way there and back is what the offset may be wrong by. */
const askOne = async ({ facts, clock }: DoctorDeps, host: string): Promise<Told | string> => {
  const late = Promise.withResolvers<string>()
  const timer = clock.after(askMs, () => late.resolve(`silent for ${askMs / 1000} s`))
  const [sentAt, sentMs] = [clock.now(), clock.monotonicMs()]
  try {
    const said = await Promise.race([facts(host), late.promise])
    if (typeof said === 'string') return said
    const tookMs = clock.monotonicMs() - sentMs
    return { facts: said, offsetMs: said.nowMs - (sentAt + tookMs / 2), errorMs: tookMs / 2 }
  } catch (error) {
    return reasonOf(error)
  } finally {
    timer.cancel()
  }
}

const checkBus = async (
  { canaryWrite }: DoctorDeps,
  present: readonly Member[],
): Promise<readonly Finding[]> => {
  const servers = [...new Set(present.map(({ server }) => server))]
    .filter((server) => server !== '')
    .sort()
    .join(', ')
  try {
    const ms = Math.round(await canaryWrite())
    const detail = `a write was acknowledged in ${ms} ms (servers in use: ${servers})`
    if (ms < slowWriteMs) return [ok('bus', detail)]
    return [warn('bus', detail, 'look at the disks and the load of the hosts with bus servers')]
  } catch (error) {
    const todo =
      'no change is possible now; dynos and routers go on. More than half of the bus servers must run: ' +
      'start their hosts, and look at nats/nats.log in their homes'
    return [fail('bus', `no write is acknowledged: ${reasonOf(error)}`, todo)]
  }
}

/** What an operator is told of places that nobody has taken. */
export const emptyPlace = (hosts: readonly string[]): string =>
  `nobody has taken the place of the bus server on ${hosts.join(', ')}: no other control host is there. ` +
  'The next control host to join takes it by itself; until then no further bus server may be lost'

const checkServers = ({ emptyPlaces }: DoctorDeps): readonly Finding[] => {
  const hosts = emptyPlaces()
  if (hosts.length === 0) return []
  const todo = 'start one more control host (hosts:invite prints its join URL)'
  return [warn('servers', emptyPlace(hosts), todo)]
}

const checkHosts = ({ members, number, leader }: Membership): Finding => {
  const by = (state: Member['state']): readonly string[] =>
    members.filter((member) => member.state === state).map(({ name }) => name)
  const states = ['up', 'draining', 'joining', 'suspect', 'dead', 'left'] as const
  const detail = states
    .filter((state) => by(state).length > 0)
    .map((state) => (state === 'up' ? `${by(state).length} up` : `${state}: ${by(state).join(', ')}`))
    .join('; ')
  if (number === 0) return fail('hosts', 'no view of the cluster yet', 'are the control hosts running?')
  if (by('dead').length > 0)
    return warn('hosts', detail, 'start what is dead again, or take it out with hosts:remove')
  if (by('suspect').length > 0)
    return warn('hosts', detail, 'look at what is suspect: its process, its machine, its network')
  return ok('hosts', `${detail}; ${leader} leads`)
}

const checkBrake = ({ braked }: Membership): Finding =>
  braked
    ? fail(
        'brake',
        'on: most hosts vanished at once, and no dyno is moved',
        'bring them back, or take out those that are gone for good with hosts:remove --force',
      )
    : ok('brake', 'off')

const checkVersions = (present: readonly Member[]): Finding => {
  const versions = grouped(present.map(({ name, version }) => [version, name]))
  const protocols = grouped(present.map(({ name, protocol }) => [String(Math.floor(protocol)), name]))
  const tell = (groups: ReadonlyMap<string, readonly string[]>): string =>
    [...groups].map(([value, names]) => `${value} on ${names.join(', ')}`).join('; ')
  if (protocols.size > 1)
    return fail('versions', `protocols do not mix: ${tell(protocols)}`, 'bring all to one version')
  if (versions.size > 1)
    return warn('versions', tell(versions), 'bring the rest of the hosts to the newest version')
  return ok('versions', `${[...versions.keys()].join()} everywhere`)
}

const grouped = (pairs: readonly (readonly [string, string])[]): ReadonlyMap<string, readonly string[]> => {
  const groups = new Map<string, readonly string[]>()
  for (const [value, name] of pairs) groups.set(value, [...(groups.get(value) ?? []), name])
  return groups
}

const checkAnswers = (told: Answers): Finding => {
  const silent = [...told].flatMap(([name, said]) => (typeof said === 'string' ? [`${name} (${said})`] : []))
  if (silent.length === 0) return ok('answers', `all ${told.size} hosts answer for themselves`)
  const todo = 'is its cluster port open to the other hosts? Is its process alive?'
  return warn('answers', `no answer from ${silent.join(', ')}`, todo)
}

const checkClocks = (told: Answers, self: string): readonly Finding[] => {
  const others = answered(told).filter(([name]) => name !== self)
  if (others.length === 0) return []
  const off = others.map(([name, { offsetMs, errorMs }]) => {
    return { name, offsetMs, surelyMs: Math.max(0, Math.abs(offsetMs) - errorMs) }
  })
  const worst = off.reduce((a, b) => (b.surelyMs > a.surelyMs ? b : a))
  const detail = `${worst.name} is ${Math.round(worst.offsetMs)} ms from ${self}, none is further`
  if (worst.surelyMs < skewWarnMs) return [ok('clocks', detail)]
  const say = worst.surelyMs < skewFailMs ? warn : fail
  return [say('clocks', detail, 'run an NTP client (chrony, systemd-timesyncd) on every host')]
}

/** Addresses in answers have the ports of the host that made them, and clients come to any. */
const checkPorts = (told: Answers): readonly Finding[] => {
  const said = answered(told).flatMap(([name, { facts }]) =>
    facts.apiPort === undefined ? [] : [{ name, ports: `${facts.apiPort} and ${facts.routerPort ?? '?'}` }],
  )
  if (said.length === 0) return []
  const groups = grouped(said.map(({ name, ports }) => [ports, name]))
  if (groups.size === 1) return [ok('ports', `API and router: ${[...groups.keys()].join()} everywhere`)]
  const detail = [...groups].map(([ports, names]) => `${ports} on ${names.join(', ')}`).join('; ')
  const todo =
    'set MANIFOLD_PORT and MANIFOLD_ROUTER_PORT the same on all hosts: addresses in answers have them'
  return [warn('ports', `API and router: ${detail}`, todo)]
}

const checkDisks = (told: Answers): readonly Finding[] => {
  const disks = answered(told).flatMap(([name, { facts }]) => facts.disks.map((disk) => ({ name, ...disk })))
  const below = (limit: typeof diskWarn) =>
    disks.filter(({ freeBytes, totalBytes }) => freeBytes < Math.min(limit.bytes, limit.share * totalBytes))
  const tell = (some: typeof disks): string =>
    some
      .map(({ name, freeBytes, totalBytes }) => {
        const share = Math.round((100 * freeBytes) / totalBytes)
        return `${name} has ${(freeBytes / gb).toFixed(1)} GB free (${share} %)`
      })
      .join('; ')
  const todo = 'free space under MANIFOLD_HOME, or drain the host'
  const full = below(diskFail)
  if (full.length > 0) return [fail('disk', tell(full), todo)]
  const low = below(diskWarn)
  if (low.length > 0) return [warn('disk', tell(low), todo)]
  const least = disks.toSorted((a, b) => a.freeBytes - b.freeBytes).slice(0, 1)
  return least.length === 0 ? [] : [ok('disk', tell(least))]
}

const checkIsolation = (told: Answers): Finding => {
  const gaps = answered(told).flatMap(([name, { facts }]) =>
    (facts.gaps ?? []).map((gap) => `${name}: ${gap}`),
  )
  if (gaps.length === 0) return ok('isolation', 'dynos are bounded in all that the engine bounds')
  return warn('isolation', gaps.join('; '), 'see what is missing there, or run only apps that you trust')
}

/** Dynos are placed without a look at stacks: where theirs is missing they fail to start, again and again. */
const checkStacks = (told: Answers): readonly Finding[] => {
  const had = answered(told).flatMap(([name, { facts }]) =>
    facts.stacks === undefined ? [] : [{ name, stacks: new Set(facts.stacks) }],
  )
  if (had.length === 0) return []
  const all = had.reduce((sum, { stacks }) => sum.union(stacks), new Set<string>())
  const lacks = had.flatMap(({ name, stacks }) => {
    const missing = [...all.difference(stacks)]
    return missing.length === 0 ? [] : [`${name} has no ${missing.join(', ')}`]
  })
  if (lacks.length === 0) return [ok('stacks', `${[...all].join(', ')} on every host with dynos`)]
  const todo = 'bin/manifold stacks:build NAME there; until then apps on that stack fail on that host'
  return [warn('stacks', `${lacks.join('; ')}, which others have`, todo)]
}

const checkBackups = (told: Answers, nowMs: number): Finding => {
  const times = answered(told).flatMap(([name, { facts }]) =>
    facts.newestBackupAt === null ? [] : [{ name, at: facts.newestBackupAt }],
  )
  const newest = times.toSorted((a, b) => b.at - a.at)[0]
  const todo = 'one is taken within minutes of a change; if not, look for at=backup-failed in the log'
  if (newest === undefined) return warn('backups', 'no host has one', todo)
  const minutes = Math.max(0, Math.round((nowMs - newest.at) / 60_000))
  // Nothing is taken while nothing changes: age alone is no fault.
  const aged = nowMs - newest.at > backupAgeWarnMs ? ' (none since: nothing changed)' : ''
  return ok('backups', `the newest is ${minutes} min old, on ${newest.name}${aged}`)
}

const checkKeys = ({ keys, done, total, unreadable, waitingFor }: KeysView): readonly Finding[] => {
  const isOn = keys.some(({ state }) => state === 'next' || state === 'resealing')
  const seals = keys.find(({ state }) => state === 'seals')?.id ?? ''
  const lost =
    unreadable === 0
      ? []
      : [
          warn(
            'keys',
            `${unreadable} records are sealed with keys that are not here`,
            'manifold keys:add FILE, with the keys/config.key of whence they came',
          ),
        ]
  if (!isOn) return [ok('keys', `${seals} seals, ${keys.length - 1} older kept for backups`), ...lost]
  if (waitingFor.length > 0)
    return [
      warn(
        'keys',
        `a rotation waits for ${waitingFor.join(', ')}`,
        'start these hosts, or hosts:remove those that do not come back',
      ),
      ...lost,
    ]
  return [ok('keys', `a rotation is under way: ${done} of ${total} records`), ...lost]
}

const checkRoom = async ({ fleet }: DoctorDeps): Promise<readonly Finding[]> => {
  const { waiting, moving, hosts } = await fleet()
  const dynos = hosts.reduce((sum, host) => sum + host.dynos, 0)
  const [first] = waiting
  if (first === undefined) return [ok('room', `${dynos} dynos have a place; ${moving} are being moved`)]
  const detail = `${waiting.length} dynos wait for a place, ${first.name} among them: ${first.reason}`
  return [warn('room', detail, 'add a host (hosts:invite), undrain one, or scale something down')]
}

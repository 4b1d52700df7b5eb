/**
 * Every router shard knows every route; the bus is killed; some routes change while it is away and some while
 * the shards are cut off; then every route is announced again, all at once. Held against: with the bus killed
 * once more, each shard answers for each app from its own memory, by the newest version.
 */
import { routeOf } from '../../../actors/formation/route.ts'
import { Formation } from '../../../actors/protocols/formation.ts'
import { ref } from '../../../src/runtime/index.ts'
import { askAll } from '../../routes/asker.ts'
import { appIdOf, appNameOf, formationOf } from '../../routes/records.ts'
import type { Verdict, Violation } from '../check.ts'
import { openSite, served, type Site } from './site.ts'

type Log = (line: string) => void

/** Apps that change while the bus is away, and as many while the shards are. */
const changesMax = 1_000
/** Announcements that are on their way to the server at once. */
const sliceMax = 2_000
/** Spec sheet peers: ≤ 1 KB a route, and what a process takes for itself while it works. */
const bytesPerRouteMax = 1_024
const bytesBesides = 300 * 2 ** 20
/** So often all is announced at first. */
const warmingMax = 5
const waitMsMax = 120_000
const changeMsMax = 60_000
const pollMs = 50

export const reannounce = async (apps: number, log: Log): Promise<Verdict> => {
  const began = performance.now()
  const say = (text: string): void => log(`  ${Math.round(performance.now() - began)} ms: ${text}`)
  const site = await openSite(apps)
  try {
    return await act(site, apps, say)
  } finally {
    await site.close()
  }
}

const act = async (site: Site, apps: number, say: Log): Promise<Verdict> => {
  const { control, shards } = site
  const changes = Math.min(changesMax, Math.floor(apps / 4))
  await control.awaken(0, 2 * changes)
  say(`${apps} apps on record, ${2 * changes} formations awake`)
  // A shard that was cut off for a moment hears the rest the next time, as from formations.
  for (let left = warmingMax; left > 0; left--) {
    await announceAll(site, apps)
    // A question may be lost among so many announcements, as any of these.
    const counts = await Promise.allSettled(shards.map(site.counts))
    if (counts.every((one) => one.status === 'fulfilled' && one.value.cached === apps)) break
  }
  await until(site, apps, (counts) => counts.cached === apps)
  say('every shard knows every route')

  await site.killBus()
  const killedAt = performance.now()
  const kept = await verify(site, apps, () => false, 97)
  say(`bus killed; ${kept.requests} requests meanwhile, ${kept.lost.length} failed`)
  const whileAway = changeAll(site, 0, changes)
  for (const shard of shards) shard.signal('SIGSTOP')
  await site.startBus()
  const backAt = performance.now()
  const whileCutOff = changeAll(site, changes, 2 * changes)
  const acks = [...(await whileAway), ...(await whileCutOff)]
  const refused = acks.filter((isTaken) => !isTaken).length
  for (const shard of shards) shard.signal('SIGCONT')
  say(`bus back; ${acks.length - refused} apps changed`)
  await announceAll(site, apps)
  await until(site, apps, (counts) => counts.cached === apps && counts.unsure === 0)
  const recoverMs = performance.now() - killedAt
  say(`every route sure again, ${Math.round(performance.now() - backAt)} ms after the bus was back`)

  // Later there are lines in it of requests that nobody takes while the bus is away.
  const resident = shards.map((shard) => shard.residentBytes())
  const before = await Promise.all(shards.map(site.counts))
  await site.killBus()
  const known = await verify(site, apps, (number) => number < 2 * changes && (acks[number] ?? false), 1)
  say(`${known.requests} asked without a bus, ${known.lost.length} lost, ${known.stale.length} stale`)
  await site.startBus()
  await until(site, apps, () => true)
  const after = await Promise.all(shards.map(site.counts))
  const missed = after.reduce((sum, counts, at) => sum + counts.misses - (before[at]?.misses ?? 0), 0)
  const most = Math.max(...resident)
  say(`a shard takes ${Math.round(most / 2 ** 20)} MB`)
  return {
    violations: [
      ...broken('requests', 'failed while the bus was away', kept.lost),
      ...broken('requests', 'lost', known.lost),
      ...broken('acks', 'of an older version', known.stale),
      ...(refused === 0 ? [] : [{ rule: 'recovery' as const, text: `${refused} changes were not taken` }]),
      ...(missed === 0 ? [] : [{ rule: 'recovery' as const, text: `${missed} routes had to be asked for` }]),
      ...(most <= apps * bytesPerRouteMax + bytesBesides
        ? []
        : [{ rule: 'recovery' as const, text: `a shard took ${most} bytes for ${apps} routes` }]),
    ],
    recoverMs: Math.round(recoverMs),
    requests: kept.requests + known.requests,
    requestsFailed: kept.lost.length + known.lost.length,
    linesLost: 0,
    linesCounted: 0,
    linesInFlight: 0,
    linesTwice: 0,
    acksLost: known.stale.length,
  }
}

const broken = (rule: Violation['rule'], what: string, hosts: readonly string[]): readonly Violation[] =>
  hosts.length === 0 ? [] : [{ rule, text: `${hosts.length} routes ${what}: ${hosts.slice(0, 5).join(' ')}` }]

/** As the record was at first: what has changed since is newer, and must not be undone by this. */
const announceAll = async ({ control, place }: Site, apps: number): Promise<void> => {
  for (let number = 0; number < apps; number++) {
    control.announce(routeOf(appIdOf(number), formationOf(number, place)))
    if (number % sliceMax === 0) await control.flush()
  }
}

/** Ends the maintenance of these apps. @returns for each whether that was acknowledged */
const changeAll = ({ control }: Site, from: number, to: number): Promise<readonly boolean[]> =>
  Promise.all(
    Array.from({ length: to - from }, (_, at) =>
      control.node
        .ask(
          ref(Formation, appIdOf(from + at)),
          {
            type: 'appChanged',
            appName: appNameOf(from + at),
            hostnames: [],
            maintenance: false,
            at: Date.now(),
          },
          { timeoutMs: changeMsMax },
        )
        .then(
          () => true,
          () => false,
        ),
    ),
  )

type Verified = {
  readonly requests: number
  readonly lost: readonly string[]
  readonly stale: readonly string[]
}

/** Asks each shard for every `step`th app. */
const verify = async (
  { shards }: Site,
  apps: number,
  isChanged: (number: number) => boolean,
  step: number,
): Promise<Verified> => {
  let requests = 0
  const lost: string[] = []
  const stale: string[] = []
  for (const { name, port } of shards) {
    const numbers = new Map<string, number>()
    for (let number = 0; number < apps; number += step) numbers.set(`${appNameOf(number)}.localhost`, number)
    await askAll(port, numbers.keys(), (host, { status, body }) => {
      requests += 1
      const isOpen = status === 200 && body === served
      const isClosed = status === 503 && body.includes('H80')
      if (!isOpen && !isClosed) lost.push(`${host} at ${name} (${status})`)
      else if (isOpen !== isChanged(numbers.get(host) ?? 0)) stale.push(`${host} at ${name}`)
    })
  }
  return { requests, lost, stale }
}

const until = async (
  site: Site,
  apps: number,
  holds: (counts: Awaited<ReturnType<Site['counts']>>) => boolean,
): Promise<void> => {
  const deadline = performance.now() + waitMsMax
  for (const shard of site.shards) {
    for (;;) {
      const counts = await site.counts(shard).catch(() => undefined)
      if (counts !== undefined && holds(counts)) break
      if (performance.now() > deadline)
        throw new Error(`${shard.name} of ${apps} routes: ${JSON.stringify(counts)} after ${waitMsMax} ms`)
      await pause(pollMs)
    }
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms))

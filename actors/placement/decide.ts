/** Answering where runs go, and remembering which of them found no room. */
import { hasLabels, labelsText, type Labels } from '../../config/labels.ts'
import { ref, refAt, type Caller } from '../../src/runtime/index.ts'
import { Formation } from '../protocols/formation.ts'
import { Host } from '../protocols/host.ts'
import { Placement } from '../protocols/placement.ts'
import { choose, Spread } from './choose.ts'
import { slotOf, type Needs } from './fleet.ts'
import { leads, type Decision, type Question, type Self, type State, type Waiting } from './state.ts'

/**
 * The leader answers within this, or this host decides: a fence is the record's business, not placement's.
 */
const relayMs = 1_000
const relaysMax = 10_000
const waitingMax = 20_000
/** Formations ask again much sooner. */
const waitingKeptMs = 60_000
/** Apps that are told of room in one go: more than that would fill it again anyhow. */
const appsPerRoundMax = 100
const roomAgainMs = 1_000

/** Decides them one after the other: each choice counts for the next. */
export const decide = (s: State, m: Question, ctx: Self): Decision => {
  const { appId, memoryBytes: bytes, singleton, labels } = m
  const held = new Set(m.held.map(({ runId }) => runId))
  for (const { runId } of m.runs) held.add(runId)
  // What was promised to an earlier question may not be on record yet.
  const open = [...s.fleet.openOf(`${appId}/${m.processType}`)].filter(([runId]) => !held.has(runId))
  const hosts = [...m.held.map(({ host }) => host), ...open.map(([, host]) => host)]
  const spread = new Spread(s.fleet, hosts)
  const placed: Decision['placed'] = []
  let failed: Decision['failed'] = null
  for (const { runId, name, epoch } of m.runs) {
    const run = { id: runId, appId, name, bytes, epoch, singleton, ...(labels && { labels }) }
    const host = promised(s, runId) ?? (isOccupied(s, run, ctx) ? undefined : choose(s.fleet, spread, run))
    if (host === undefined) {
      failed = singleton && s.fleet.livesOf(slotOf(run), runId).length > 0 ? occupied : why(s, run)
      wait(s, run, failed.reason, ctx)
      continue
    }
    s.waiting.delete(runId)
    s.fleet.promise(host, run, ctx.now)
    spread.add(host)
    placed.push({ runId, host })
  }
  return { placed, failed }
}

/** A repeated question has the same answer, as long as that host takes runs. */
const promised = (s: State, runId: string): string | undefined => {
  const host = s.fleet.promised(runId)
  const machine = host === undefined ? undefined : s.fleet.machine(host)
  if (machine === undefined) return undefined
  if (s.fleet.takes(machine)) return machine.name
  s.fleet.drop(machine, runId)
  return undefined
}

const occupied = { code: 'occupied', reason: 'Another life of this process has not ended yet' }

/**
 * A singleton waits until its other lives are over, whatever the record says of them: it may be an older
 * state of itself. Their hosts tell it.
 */
const isOccupied = (
  s: State,
  run: { readonly id: string; readonly appId: string; readonly name: string; readonly singleton: boolean },
  ctx: Self,
): boolean => {
  if (!run.singleton) return false
  const hosts = s.fleet.livesOf(slotOf(run), run.id).filter((host) => !isGone(s, host))
  for (const host of hosts) ctx.tell(refAt(Host, 'host', host), { type: 'announce', appId: run.appId })
  return hosts.length > 0
}

const isGone = (s: State, host: string): boolean => {
  const state = s.fleet.machine(host)?.state
  return state === undefined || state === 'dead' || state === 'left'
}

/** ` with disk=ssd`, where something is required. */
export const withLabels = (labels: Labels | undefined): string =>
  labelsText(labels) === '' ? '' : ` with ${labelsText(labels)}`

const why = (s: State, { bytes, labels }: Needs): { code: string; reason: string } => {
  const counts = new Map<string, number>()
  let takes = 0
  let others = 0
  for (const machine of s.fleet.machines()) {
    if (!hasLabels(machine.labels, labels)) others += 1
    else if (s.fleet.takes(machine)) takes += 1
    else {
      const state = machine.state === 'up' ? 'starting' : machine.state
      counts.set(state, (counts.get(state) ?? 0) + 1)
    }
  }
  if (takes > 0)
    return {
      code: 'no_room',
      reason: `No host${withLabels(labels)} has ${Math.ceil(bytes / 2 ** 20)} MB of memory to spare`,
    }
  if (counts.size === 0 && others > 0)
    return { code: 'no_match', reason: `No host has ${labelsText(labels)}` }
  const states = [...counts].map(([state, count]) => `${count} ${state}`).sort()
  return {
    code: 'no_host',
    reason: `No host${withLabels(labels)} takes dynos${states.length > 0 ? ` (${states.join(', ')})` : ''}`,
  }
}

/** Said once for each change of the reason. */
export const wait = (
  s: State,
  run: Pick<Waiting, 'appId' | 'name' | 'bytes'> & { readonly id: string },
  reason: string,
  ctx: Self,
): void => {
  const known = s.waiting.get(run.id)
  if (known?.reason !== reason) ctx.log({ at: 'unplaceable', app: run.appId, dyno: run.name, reason })
  if (known === undefined && s.waiting.size >= waitingMax) return
  const { appId, name, bytes } = run
  s.waiting.set(run.id, { appId, name, bytes, reason, since: known?.since ?? ctx.now, at: ctx.now })
}

/** Asks the leader; its answer, or this host's own, goes to the caller. */
export const relay = (s: State, question: Question, caller: Caller, ctx: Self): void => {
  if (s.relays.size >= relaysMax) return
  const id = ctx.uuid()
  s.relays.set(id, { caller, question })
  ctx.ask(
    refAt(Placement, 'placement', s.view.leader),
    { ...question, relayed: true },
    relayMs,
    ({ placed, failed }) => ({ type: 'relayed', relay: id, placed, failed }),
    () => ({ type: 'relayFailed', relay: id }),
  )
}

/** There is room that was not there: those who wait ask again, the longest waiting first. */
export const offerRoom = (s: State, ctx: Self): void => {
  if (s.waiting.size > 0 && leads(s, ctx)) ctx.after('room', roomAgainMs / 10, { type: 'room' })
}

export const tellOfRoom = (s: State, ctx: Self): void => {
  const apps = new Set<string>()
  for (const { appId } of [...s.waiting.values()].sort((a, b) => a.since - b.since)) {
    if (apps.size >= appsPerRoundMax) {
      ctx.after('room', roomAgainMs, { type: 'room' })
      break
    }
    apps.add(appId)
  }
  for (const appId of apps) ctx.tell(ref(Formation, appId), { type: 'room' })
}

export const forgetWaiting = (s: State, now: number): void => {
  for (const [runId, one] of s.waiting) if (now - one.at > waitingKeptMs) s.waiting.delete(runId)
}

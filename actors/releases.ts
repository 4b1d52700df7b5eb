/**
 * Releases: the ledger of one app. A release is a slug and config vars; each change makes a new one, none is
 * ever changed.
 *
 * Config changes happen one after the other, each against the config that is current when it is sealed. Their
 * plain values pass through here and are kept nowhere. The formation is told of the current release until it
 * says that it has it. Lost with the activation: waiting config changes, whose callers then do not know the
 * outcome.
 */
import { actor, ref, type Caller, type Ctx } from '../src/runtime/index.ts'
import { Vault } from './effects/vault.ts'
import { failed, isAllTold, pruned, tellOn, told, toldOf, untold, type Telling } from './events/outbox.ts'
import { App } from './protocols/app.ts'
import { Formation } from './protocols/formation.ts'
import { Releases } from './protocols/releases.ts'
import type { Pages, Release, Slug, Who } from './protocols/shapes.ts'
import {
  append,
  builtBy,
  configText,
  currentOf,
  emptyLedger,
  findRelease,
  ledgerSchema,
  madeAlready,
  madeBy,
  newestOf,
  pendingOf,
  promotedBy,
  releasesOf,
  settlePhase,
  withoutBuild,
  type Ledger,
} from './releases/ledger.ts'
import { withEvent } from './releases/events.ts'
import { say } from './say.ts'

type ConfigChange = {
  readonly op: string
  readonly caller: Caller
  readonly patch: Readonly<Record<string, string | null>>
  readonly by: Who
  /** Of a build that may release it. */
  readonly build: string | undefined
  readonly baseId: string
}
type Owed = { readonly caller: Caller; readonly value: unknown }
type State = {
  readonly ledger: Ledger | null
  /** The first one is being sealed. */
  readonly changes: readonly ConfigChange[]
  /** Callers whose release is made, and who are answered when the formation has it or is late. */
  readonly owed: readonly Owed[]
  /** How often the formation was told of the current release in vain. */
  readonly tries: number
  /** How far its events are told. */
  readonly telling: Telling
}
type Self = Ctx<typeof Releases>
type Refusing = { refuseCaller(code: string, reason: string): void }

const changesMax = 100
const phaseRepeatMs = 2_000
const repeatMsMin = 1_000
const repeatMsMax = 30_000
/** Wakes the actor should nothing else do so. */
const remindMs = 60_000

const blank: State = { ledger: null, changes: [], owed: [], tries: 0, telling: untold }

export const releases = actor(Releases, {
  mailbox: { capacity: 1_000, overflow: 'reject' },
  durable: {
    version: 1,
    schema: ledgerSchema,
    save: (s: State) => s.ledger ?? undefined,
    load: (ledger): State => ({ ...blank, ledger, telling: toldOf(ledger.events) }),
  },
  init: (): State => blank,
  awake: (s, ctx) => tellEvents(repeatPhase(repeat(s, ctx), ctx), ctx),
  receive: {
    open(s, { appName, by }, ctx) {
      ctx.reply({})
      if (s.ledger !== null) return s
      const first = release(emptyLedger(appName), 'Initial release', noConfig, null, by, ctx)
      return made(s, release(first, 'Enable Logplex', noConfig, null, by, ctx), ctx)
    },
    renamed: (s, { appName }) => (s.ledger === null ? s : { ...s, ledger: { ...s.ledger, appName } }),
    setConfig(s, { patch, by, build }, ctx) {
      if (s.ledger === null) return gone(s, ctx)
      if (isOver(s.ledger, build)) {
        ctx.refuseCaller('superseded', overText)
        return s
      }
      if (pendingOf(s.ledger) !== undefined) return busy(s, s.ledger, ctx)
      if (s.changes.length >= changesMax) {
        ctx.refuseCaller('conflict', 'Too many config var changes at once. Please try again.')
        return s
      }
      const change = { op: '', caller: ctx.caller, patch, by, build, baseId: '' }
      const queued = { ...s, changes: [...s.changes, change] }
      return s.changes.length === 0 ? sealNext(queued, ctx) : queued
    },
    beginBuild(s, { buildId, host, instead }, ctx) {
      if (s.ledger === null) return gone(s, ctx)
      const { building } = s.ledger
      if (building !== undefined && building.buildId !== buildId && building.buildId !== instead) {
        ctx.reply({ held: building })
        return s
      }
      ctx.reply({ held: null })
      return { ...s, ledger: { ...s.ledger, building: { buildId, host, at: ctx.now } } }
    },
    endBuild: (s, { buildId }) =>
      s.ledger?.building?.buildId === buildId ? { ...s, ledger: withoutBuild(s.ledger) } : s,
    giveUpBuild(s, { buildId }, ctx) {
      if (s.ledger === null) return gone(s, ctx)
      const made = madeBy(s.ledger, buildId)
      ctx.reply({
        released: made ? { id: made.id, version: made.version, slugId: made.slug?.id ?? null } : null,
      })
      return s.ledger.building?.buildId === buildId ? { ...s, ledger: withoutBuild(s.ledger) } : s
    },
    deploy(s, asked, ctx) {
      const { slug, description, by, build, promotion } = asked
      if (s.ledger === null) return gone(s, ctx)
      // Asked again after an unknown outcome: it is made already.
      const again = madeAlready(s.ledger, asked)
      if (again !== undefined) {
        ctx.reply(again)
        return s
      }
      if (newestOf(s.ledger).status === 'pending') return busy(s, s.ledger, ctx)
      if (isOver(s.ledger, build)) {
        ctx.refuseCaller('superseded', overText)
        return s
      }
      const moved = onStackOf(s.ledger, slug, by, ctx)
      const released = release(moved, description, currentOf(moved), slug, by, ctx)
      const ledger = promotedBy(builtBy(released, build), promotion)
      return made(owe(s, ctx.caller, newestOf(ledger)), ledger, ctx)
    },
    rollback(s, { to, by }, ctx) {
      if (s.ledger === null) return gone(s, ctx)
      const target = findRelease(s.ledger, to)
      if (target === undefined) return noRelease(s, ctx)
      if (pendingOf(s.ledger) !== undefined) return busy(s, s.ledger, ctx)
      if (target.slug === null || target.status === 'failed') {
        const why = whyNot[target.status] ?? 'it has no slug'
        ctx.refuseCaller('invalid_params', `Cannot roll back to v${target.version}: ${why}.`)
        return s
      }
      const text = `Rollback to v${target.version}`
      const ledger = release(s.ledger, text, target, target.slug, by, ctx)
      return made(owe(s, ctx.caller, newestOf(ledger)), ledger, ctx)
    },
    list(s, _, ctx) {
      if (s.ledger === null) return gone(s, ctx)
      ctx.reply({ releases: releasesOf(s.ledger), currentVersion: currentOf(s.ledger).version })
      return s
    },
    find(s, { which }, ctx) {
      if (s.ledger === null) return gone(s, ctx)
      const found = findRelease(s.ledger, which)
      if (found === undefined) return noRelease(s, ctx)
      ctx.reply({ release: found, current: found.version === currentOf(s.ledger).version })
      return s
    },
    current(s, _, ctx) {
      if (s.ledger === null) return gone(s, ctx)
      ctx.reply({ release: currentOf(s.ledger) })
      return s
    },
    destroy(s, _, ctx) {
      if (!isAllTold(s.ledger?.events, s.telling)) {
        ctx.refuseCaller('busy', 'Its last releases are being told of.')
        return s
      }
      ctx.reply({})
      for (const { caller } of s.changes) ctx.refuse(caller, 'not_found', notFound)
      for (const timer of ['formation', 'phase', 'events']) ctx.cancel(timer)
      if (s.ledger !== null) for (const reminder of ['formation', 'phase', 'events']) ctx.forget(reminder)
      return blank
    },
    received(s, { version }, ctx) {
      if (s.ledger === null || version <= s.ledger.heard) return s
      const heard = { ...s, ledger: { ...s.ledger, heard: version }, tries: 0 }
      if (version < currentOf(s.ledger).version) return heard
      ctx.cancel('formation')
      ctx.forget('formation')
      return settle(heard, ctx)
    },
    sealed: (s, m, ctx) => sealed(s, m, ctx),
    sealFailed(s, { op, code, reason }, ctx) {
      const change = s.changes[0]
      if (change?.op !== op) return s
      ctx.refuse(change.caller, code, reason)
      return sealNext({ ...s, changes: s.changes.slice(1) }, ctx)
    },
    remindFormation: (s, _, ctx) => repeat(s, ctx),
    phaseEnded: (s, { releaseId, ok }, ctx) => phaseEnded(s, releaseId, ok, ctx),
    remindPhase: (s, _, ctx) => repeatPhase(s, ctx),
    eventsTold: (s, { through }, ctx) => ({ ...s, telling: told(s.ledger?.events, s.telling, through, ctx) }),
    eventsFailed(s, { reason }, ctx) {
      ctx.log({ at: 'events_not_told', reason })
      return { ...s, telling: failed(s.telling, ctx) }
    },
    tellEvents(s, _, ctx) {
      if (s.ledger?.events === undefined) return s
      return tellEvents(
        { ...s, ledger: { ...s.ledger, events: pruned(s.ledger.events, s.telling, ctx) } },
        ctx,
      )
    },
  },
})

const tellEvents = (s: State, ctx: Self): State => ({
  ...s,
  telling: tellOn(s.ledger?.events, s.telling, ctx),
})

const notFound = "Couldn't find that app."
const gone = (s: State, ctx: Refusing): State => {
  ctx.refuseCaller('not_found', notFound)
  return s
}
const noRelease = (s: State, ctx: Refusing): State => {
  ctx.refuseCaller('not_found', "Couldn't find that release.")
  return s
}

const busy = (s: State, ledger: Ledger, ctx: Refusing): State => {
  ctx.refuseCaller('conflict', busyText(ledger))
  return s
}
const busyText = (ledger: Ledger): string =>
  `Release v${newestOf(ledger).version} is running its release command. ` +
  'Please try again when it has finished.'

/** It was given up as lost, or another took its place when it was. */
const isOver = (ledger: Ledger, build: string | undefined): boolean =>
  build !== undefined && ledger.building?.buildId !== build
const overText = 'This build was taken for lost, and may release nothing any more.'

const whyNot: Partial<Record<Release['status'], string>> = {
  expired: 'its slug is no longer kept',
  failed: 'its release command failed',
}

type Config = Pick<Release, 'configId' | 'pages'>
const noConfig: Config = { configId: '' }

/**
 * Appends a release and says so, as Heroku's log does: the cause, then the release, or that its command runs.
 */
const release = (
  ledger: Ledger,
  description: string,
  { configId, pages }: Config,
  slug: Slug | null,
  by: Who,
  ctx: Self,
  hasPhase = slug !== null && slug.processTypes['release'] !== undefined,
): Ledger => {
  const at = ctx.now
  const next = append(ledger, { id: ctx.uuid(), description, configId, pages, slug, by, at, hasPhase })
  const { version, description: text } = next.entries.at(-1)!
  say(ctx, ctx.self.key, 'app', 'api', `${text} by user ${by.email}`)
  const what = hasPhase ? `Running release v${version} commands` : `Release v${version} created`
  say(ctx, ctx.self.key, 'app', 'api', `${what} by user ${by.email}`)
  return withEvent(next, undefined, ctx)
}

/** A build on another stack than what holds is said by a release of its own; it changes nothing that runs. */
const onStackOf = (ledger: Ledger, { stack }: Slug, by: Who, ctx: Self): Ledger => {
  const current = currentOf(ledger)
  const text = `Upgrade stack to ${stack}`
  // The build that followed it last time was never released.
  const isSaid = current.description === text
  if (current.slug === null || current.slug.stack === stack || isSaid) return ledger
  return release(ledger, text, current, current.slug, by, ctx, false)
}

/** What was released just now holds from here on, or waits for its command: its callers do not. */
const made = (s: State, ledger: Ledger, ctx: Self): State => {
  const next =
    pendingOf(ledger) === undefined
      ? publish(s, ledger, ctx)
      : repeatPhase({ ...settle(s, ctx), ledger }, ctx)
  return tellEvents(next, ctx)
}

/** Until the formation has said how it ended: it runs the command once, however often it is told. */
const repeatPhase = (s: State, ctx: Self): State => {
  const release = s.ledger === null ? undefined : pendingOf(s.ledger)
  if (release === undefined) return s
  const by = { id: release.userId, email: release.userEmail }
  ctx.tell(ref(Formation, ctx.self.key), { type: 'runPhase', release, by })
  ctx.after('phase', phaseRepeatMs, { type: 'remindPhase' })
  ctx.remind('phase', ctx.now + remindMs, { type: 'remindPhase' })
  return s
}

const phaseEnded = (s: State, releaseId: string, ok: boolean, ctx: Self): State => {
  if (s.ledger === null) return s
  const settled = settlePhase(s.ledger, releaseId, ok, ctx.now)
  if (settled === s.ledger) return s
  const ledger = withEvent(settled, newestOf(s.ledger), ctx)
  ctx.cancel('phase')
  ctx.forget('phase')
  const { version, userEmail } = newestOf(ledger)
  const what = ok ? `Release v${version} created` : `Release v${version} command failed`
  say(ctx, ctx.self.key, 'app', 'api', `${what} by user ${userEmail}`)
  return tellEvents(ok ? publish(s, ledger, ctx) : { ...s, ledger }, ctx)
}

const owe = (s: State, caller: Caller, value: unknown): State => ({
  ...s,
  owed: [...s.owed, { caller, value }],
})

const settle = (s: State, ctx: Self): State => {
  for (const { caller, value } of s.owed) ctx.answer(caller, value)
  return { ...s, owed: [] }
}

const publish = (s: State, ledger: Ledger, ctx: Self): State => {
  const bounded = s.owed.length > changesMax ? settle(s, ctx) : s
  return repeat({ ...bounded, ledger, tries: 0 }, ctx)
}

/** Until the formation has heard. */
const repeat = (s: State, ctx: Self): State => {
  if (s.ledger === null) return s
  const current = currentOf(s.ledger)
  if (s.ledger.heard >= current.version) return s
  const by = { id: current.userId, email: current.userEmail }
  ctx.tell(ref(Formation, ctx.self.key), { type: 'released', release: current, by })
  ctx.tell(ref(App, ctx.self.key), {
    type: 'released',
    at: current.createdAt,
    ...(current.slug && { stack: current.slug.stack }),
  })
  const waitMs = Math.min(repeatMsMax, repeatMsMin * 2 ** Math.min(s.tries, 10))
  ctx.after('formation', waitMs, { type: 'remindFormation' })
  ctx.remind('formation', ctx.now + remindMs, { type: 'remindFormation' })
  // Who asks the formation right after a release finds it there; a formation that is late makes no release
  // fail.
  const settled = s.tries > 0 ? settle(s, ctx) : s
  return { ...settled, tries: s.tries + 1 }
}

const sealNext = (s: State, ctx: Self): State => {
  const change = s.changes[0]
  if (change === undefined || s.ledger === null) return s
  const baseId = currentOf(s.ledger).configId
  const op = ctx.uuid()
  ctx.run(
    Vault.seal({ appId: ctx.self.key, baseId, patch: change.patch }),
    (result) => ({ type: 'sealed', op, ...result }),
    ({ code, message }) => ({ type: 'sealFailed', op, code, reason: message }),
  )
  return { ...s, changes: s.changes.with(0, { ...change, op, baseId }) }
}

type Sealed = {
  readonly pages: Pages
  readonly op: string
  readonly configId: string
  readonly changed: boolean
  readonly set: readonly string[]
  readonly removed: readonly string[]
}

const sealed = (s: State, { op, configId, changed, set, removed, pages }: Sealed, ctx: Self): State => {
  const change = s.changes[0]
  if (change?.op !== op || s.ledger === null) return s
  const current = currentOf(s.ledger)
  // A rollback came in between: the patch is applied to what holds now.
  if (current.configId !== change.baseId) return sealNext(s, ctx)
  const rest = { ...s, changes: s.changes.slice(1) }
  // One that waited behind another change finds the command of that one's release running.
  if (pendingOf(s.ledger) !== undefined) {
    ctx.refuse(change.caller, 'conflict', busyText(s.ledger))
    return sealNext(rest, ctx)
  }
  if (isOver(s.ledger, change.build)) {
    ctx.refuse(change.caller, 'superseded', overText)
    return sealNext(rest, ctx)
  }
  if (!changed) {
    ctx.answer(change.caller, { version: current.version, configId: current.configId, changed })
    return sealNext(rest, ctx)
  }
  const config = { configId, pages }
  const ledger = release(s.ledger, configText(set, removed), config, current.slug, change.by, ctx)
  const owing = owe(rest, change.caller, { version: newestOf(ledger).version, configId, changed })
  return sealNext(made(owing, ledger, ctx), ctx)
}

/**
 * The ways of an app that take several steps: coming to be, changing its names, going.
 *
 * Every step may be done twice. What must still happen is read from the record, so an activation that finds
 * something unfinished just does it again, whoever waits for it.
 */
import { ref, type Ctx, type EffectError } from '../../src/runtime/index.ts'
import { Access } from '../effects/access.ts'
import { Builder } from '../effects/builder.ts'
import { Certificates } from '../effects/certificates.ts'
import { History } from '../effects/history.ts'
import { Names } from '../effects/names.ts'
import { Vault } from '../effects/vault.ts'
import { pipelineIdOf, type App } from '../protocols/app.ts'
import { Channel } from '../protocols/channel.ts'
import { Drain } from '../protocols/drain.ts'
import { Formation } from '../protocols/formation.ts'
import { Pipeline } from '../protocols/pipeline.ts'
import { Releases } from '../protocols/releases.ts'
import { Webhooks } from '../protocols/webhooks.ts'
import type { Who } from '../protocols/shapes.ts'
import { Team } from '../protocols/team.ts'
import { collaboratorsOf, usersOf } from './access.ts'
import { certificatesOf } from './endpoints.ts'
import { isListed, nameText, namesOf, sameName, unfinished, type AppRecord, type Name } from './record.ts'
import { withEvents } from './telling.ts'
import type { State } from './waiting.ts'

export type Self = Ctx<typeof App>

export const createSteps = ['releases', 'formation', 'access'] as const
/**
 * Dynos first: nothing may run without a record. The names go last, when nobody else could meet what is left.
 */
export const destroySteps = [
  'formation',
  'releases',
  'webhooks',
  'builder',
  'vault',
  'certificates',
  'drains',
  'pipeline',
  'history',
  'access',
] as const

const stepTimeoutMs = 10_000
/** Receivers get some seconds to hear of it. */
const closeTimeoutMs = 20_000
/** Dynos have 30 s to end. */
const endTimeoutMs = 60_000
const againMs = 2_000
/** Wakes the actor should nothing else do so. */
const remindMs = 30_000

/** Everything that is under way, begun (again). */
export const resume = (a: AppRecord, ctx: Self): void => {
  for (const name of a.claiming) claim(a, name, ctx)
  for (const name of a.releasing) release(name, ctx)
  if (a.phase === 'live') {
    for (const id of a.opening ?? []) openDrain(a, id, ctx)
    for (const id of a.closing ?? []) closeDrain(id, ctx)
  }
  if (a.phase === 'creating' && a.claiming.length === 0) createStep(a, createSteps[0], ctx)
  if (a.phase === 'destroying' && a.releasing.length === 0) destroyStep(a, destroySteps[0], ctx)
  if (a.phase === 'live' && a.shownAt < a.changedAt) show(a, ctx)
  if (a.phase === 'live' && !isListed(a)) list(a, ctx)
}

/** A name that is still being given back is claimed when that is done. */
export const claim = (a: AppRecord, name: Name, ctx: Self): void => {
  if (a.releasing.some((other) => sameName(other, name))) return
  const text = nameText(name)
  ctx.run(
    Names.claim({ ...name, appId: ctx.self.key }),
    () => ({ type: 'claimed', name: text }),
    ({ code, message }) => ({ type: 'claimFailed', name: text, code, reason: message }),
  )
}

export const release = (name: Name, ctx: Self): void =>
  ctx.run(
    Names.release({ ...name, appId: ctx.self.key }),
    () => ({ type: 'releasedName', name: nameText(name) }),
    failed('names'),
  )

/** The formation makes the route of it. Releases only need the name. */
export const show = (a: AppRecord, ctx: Self): void => {
  const { name, domains, maintenance, features } = a.app
  const at = a.changedAt
  ctx.tell(ref(Releases, ctx.self.key), { type: 'renamed', appName: name })
  ctx.ask(
    ref(Formation, ctx.self.key),
    {
      type: 'appChanged',
      appName: name,
      hostnames: domains.map(({ hostname }) => hostname),
      maintenance,
      features,
      certificates: certificatesOf(a.app),
      at,
    },
    stepTimeoutMs,
    () => ({ type: 'shown', at }),
    failed('show'),
  )
}

const entryOf = ({ app }: AppRecord) => ({
  appId: app.id,
  name: app.name,
  offer: app.offer === undefined ? undefined : (app.offer?.id ?? null),
})

/** Into the lists of those who may use it, out of those of others. */
export const list = (a: AppRecord, ctx: Self): void => {
  const { listing = 0, former = [] } = a
  ctx.run(
    Access.show({ ...entryOf(a), users: usersOf(a.app), former }),
    () => ({ type: 'listed', listing }),
    failed('access'),
  )
}

/** Its team counts it from now on, lest it is destroyed before the app is in its list. */
export const tellTeam = ({ app: { id: appId, team } }: AppRecord, ctx: Self): void => {
  if (team != null) ctx.tell(ref(Team, team.id), { type: 'arrived', appId })
}

export const openDrain = (a: AppRecord, id: string, ctx: Self): void => {
  const found = a.app.drains?.find((one) => one.id === id)
  if (found === undefined) return
  const { url, token, updatedAt: at } = found
  const telemetry = found.telemetry ? { ...found.telemetry, appName: a.app.name } : null
  const to = { appId: ctx.self.key, url, token, telemetry, decidedAt: at }
  const done = () => ({ type: 'drainReady', id, at }) as const
  ctx.ask(ref(Drain, id), { type: 'open', to }, stepTimeoutMs, done, failed('drain'))
}

/** Nobody else would tell the channel: it is asked until it knows. */
export const joinDrain = (id: string, at: number, ctx: Self): void => {
  const done = () => ({ type: 'drainOpened', id, at }) as const
  ctx.ask(ref(Channel, ctx.self.key), { type: 'drainJoins' }, stepTimeoutMs, done, failed('drain'))
}

export const closeDrain = (id: string, ctx: Self): void =>
  ctx.ask(
    ref(Drain, id),
    { type: 'close' },
    stepTimeoutMs,
    () => ({ type: 'drainClosed', id }),
    failed('drain'),
  )

export const createStep = (a: AppRecord, step: (typeof createSteps)[number], ctx: Self): void => {
  const done = () => ({ type: 'stepped', step }) as const
  const { name: appName, owner } = a.app
  // Whoever made it for a team.
  const by = collaboratorsOf(a.app)[0]?.user ?? owner
  const id = ctx.self.key
  switch (step) {
    case 'releases':
      ctx.ask(ref(Releases, id), { type: 'open', appName, by }, stepTimeoutMs, done, failed(step))
      return
    case 'formation':
      ctx.ask(ref(Formation, id), { type: 'open', appName }, stepTimeoutMs, done, failed(step))
      return
    case 'access':
      ctx.run(Access.show({ ...entryOf(a), users: usersOf(a.app), former: [] }), done, failed(step))
  }
}

export const destroyStep = (a: AppRecord, step: (typeof destroySteps)[number], ctx: Self): void => {
  const done = () => ({ type: 'stepped', step }) as const
  const id = ctx.self.key
  switch (step) {
    case 'formation':
      ctx.ask(ref(Formation, id), { type: 'destroy' }, endTimeoutMs, done, failed(step))
      return
    case 'releases':
      ctx.ask(ref(Releases, id), { type: 'destroy' }, stepTimeoutMs, done, failed(step))
      return
    case 'webhooks':
      // What is told of its end is sent before its secrets go.
      ctx.ask(ref(Webhooks, id), { type: 'close' }, closeTimeoutMs, done, failed(step))
      return
    case 'builder':
      ctx.run(Builder.drop({ appId: id }), done, failed(step))
      return
    case 'vault':
      ctx.run(Vault.drop({ appId: id }), done, failed(step))
      return
    case 'certificates':
      ctx.run(Certificates.drop({ appId: id }), done, failed(step))
      return
    case 'drains': {
      // One after the other: the step is done again for each.
      const [drain] = a.closing ?? []
      if (drain === undefined) ctx.tell(ctx.self, { type: 'stepped', step })
      else ctx.ask(ref(Drain, drain), { type: 'close' }, stepTimeoutMs, done, failed(step))
      return
    }
    case 'pipeline': {
      const pipelineId = pipelineIdOf(a.app)
      if (pipelineId === undefined) return destroyStep(a, 'history', ctx)
      ctx.ask(ref(Pipeline, pipelineId), { type: 'left', appId: id }, stepTimeoutMs, done, failed(step))
      return
    }
    case 'history':
      ctx.tell(ref(Channel, id), { type: 'drop' })
      ctx.run(History.drop({ appId: id }), done, failed(step))
      return
    case 'access': {
      const former = [...usersOf(a.app), ...(a.former ?? [])]
      ctx.run(Access.show({ ...entryOf(a), users: [], former }), done, failed(step))
    }
  }
}

const failed =
  (step: string) =>
  (
    error: EffectError | { readonly reason: string },
  ): { type: 'stepFailed'; step: string; reason: string } => ({
    type: 'stepFailed',
    step,
    reason: 'reason' in error ? error.reason : error.message,
  })

/** The names of an app whose everything else is gone. */
export const releaseAll = (a: AppRecord): AppRecord => ({ ...a, claiming: [], releasing: namesOf(a) })

/** A failed step is tried again soon; should this activation die, a reminder starts another. */
export const later = (ctx: Self): void => ctx.after('resume', againMs, { type: 'resume' })

/**
 * The record as it is from now on, with the events of the change; null: there is none any more.
 * @param by who asked for it; undefined: its owner, or nobody
 */
export const become = (s: State, a: AppRecord | null, ctx: Self, by?: Who): State => {
  guard(s.a, a, ctx)
  return a === null ? { ...s, a } : withEvents(s, a, by, ctx)
}

/** Sets or drops the reminder when a turn began something or finished the last of it. */
export const guard = (before: AppRecord | null, after: AppRecord | null, ctx: Self): void => {
  const was = before !== null && unfinished(before)
  const is = after !== null && unfinished(after)
  if (is && !was) ctx.remind('resume', ctx.now + remindMs, { type: 'resume' })
  if (was && !is) ctx.forget('resume')
}

/**
 * The ways of a team that take several steps: its name, its members' lists, apps that come to it, its end.
 * Every step may be done twice; an activation that finds something unfinished does it again.
 */
import { ref, type AskFailure, type Ctx, type EffectError } from '../../src/runtime/index.ts'
import { Access, teamsOf } from '../effects/access.ts'
import { Names } from '../effects/names.ts'
import { App } from '../protocols/app.ts'
import type { Team } from '../protocols/team.ts'
import type { Waiting } from '../waiting.ts'
import { isListed, unfinished, type TeamRecord } from './record.ts'

export type Self = Ctx<typeof Team>

/** `r` null: no such team. */
export type State = { readonly r: TeamRecord | null; readonly waiting: Waiting }
export const fresh: State = { r: null, waiting: new Map() }

const stepTimeoutMs = 10_000
const againMs = 2_000
/** Wakes the actor should nothing else do so. */
const remindMs = 30_000
/** Whoever brings an app has been answered by then, if only that nobody knows. */
const arrivalMs = 120_000

/** Everything that is under way, begun (again). */
export const resume = (r: TeamRecord, ctx: Self): void => {
  claim(r, ctx)
  for (const name of r.releasing) release(name, ctx)
  for (const { appId, at } of r.arriving) if (ctx.now - at >= arrivalMs) look(appId, ctx)
  if (r.phase === 'destroying') count(ctx)
  if (!isListed(r) && (r.phase !== 'creating' || r.claiming === null)) list(r, ctx)
}

/** A name that is still being given back is claimed when that is done. */
export const claim = ({ claiming: name, releasing }: TeamRecord, ctx: Self): void => {
  if (name === null || releasing.includes(name)) return
  ctx.run(
    Names.claim({ kind: 'team', name, appId: ctx.self.key }),
    () => ({ type: 'claimed', name }),
    ({ code, message }) => ({ type: 'claimFailed', name, code, reason: message }),
  )
}

export const release = (name: string, ctx: Self): void =>
  ctx.run(
    Names.release({ kind: 'team', name, appId: ctx.self.key }),
    () => ({ type: 'releasedName', name }),
    failed('names'),
  )

/** Into the lists of its members, out of those of others. */
export const list = ({ team, phase, former, listing }: TeamRecord, ctx: Self): void => {
  const members = team.members.map(({ user }) => teamsOf(user.id))
  const [users, gone] = phase === 'ending' ? [[], members] : [members, []]
  ctx.run(
    Access.show({
      appId: team.id,
      name: team.name,
      offer: undefined,
      users,
      former: [...former.map(teamsOf), ...gone],
    }),
    () => ({ type: 'listed', listing }),
    failed('access'),
  )
}

export const count = (ctx: Self): void =>
  ctx.run(Access.owns({ owner: ctx.self.key }), (owns) => ({ type: 'counted', owns }), failed('access'))

/** Whether an app came that nothing was heard of. */
const look = (appId: string, ctx: Self): void => {
  const done = () => ({ type: 'arrived', appId }) as const
  ctx.ask(
    ref(App, appId),
    { type: 'lists' },
    stepTimeoutMs,
    ({ isListed: isShown }) => (isShown ? done() : failed('app')({ reason: 'its lists are behind' })),
    // It is no more, or never was.
    (failure) => (failure.kind === 'refused' ? done() : failed('app')(failure)),
  )
}

const failed =
  (step: string) =>
  (
    error: EffectError | Pick<AskFailure, 'reason'>,
  ): { type: 'stepFailed'; step: string; reason: string } => ({
    type: 'stepFailed',
    step,
    reason: 'reason' in error ? error.reason : error.message,
  })

/** A failed step is tried again soon; should this activation die, a reminder starts another. */
export const later = (ctx: Self): void => ctx.after('resume', againMs, { type: 'resume' })

/** The record as it is from now on, with a reminder while something is to be done; null: there is none. */
export const become = (s: State, r: TeamRecord | null, ctx: Self): State => {
  const was = s.r !== null && unfinished(s.r)
  const isNow = r !== null && unfinished(r)
  if (isNow && !was) remind(ctx)
  if (was && !isNow) ctx.forget('resume')
  // One change at a time is on its way to the lists; what came meanwhile follows it.
  const isNews = r !== null && !isListed(r) && (s.r === null || isListed(s.r))
  if (isNews && r.phase === 'live') list(r, ctx)
  return { ...s, r }
}

export const remind = (ctx: Self): void => ctx.remind('resume', ctx.now + remindMs, { type: 'resume' })

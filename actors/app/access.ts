/**
 * Who may use an app: its owner, its collaborators, and how one of these becomes its owner. Pure. Who could
 * use it and cannot any more is on record until their lists do not show it.
 */
import { heroku } from '../../config/heroku.ts'
import { sharedOf } from '../effects/access.ts'
import type { AppView, Collaborator, Grant } from '../protocols/app.ts'
import type { Who } from '../protocols/shapes.ts'
import type { AppRecord } from './record.ts'

type Refusal = { readonly code: 'not_found' | 'invalid_params' | 'conflict'; readonly reason: string }
export type Outcome<T> = { readonly a: AppRecord; readonly answer: T } | Refusal

export const collaboratorsOf = ({ collaborators = [] }: AppView): readonly Collaborator[] => collaborators

/** Lists that show it: its owner's, a person or a team, and those of its collaborators. */
export const usersOf = (app: AppView): string[] => [
  app.owner.id,
  ...collaboratorsOf(app).map(({ user }) => listOf(app, user.id)),
]
const listOf = ({ team }: AppView, userId: string): string => (team == null ? userId : sharedOf(userId))

/** By the user's id or address, or its own id. */
const collaboratorIn = (app: AppView, which: string): Collaborator | undefined =>
  collaboratorsOf(app).find(({ id, user }) => [id, user.id, user.email].includes(which))

const tooMany: Refusal = {
  code: 'invalid_params',
  reason: `An app cannot have more than ${heroku.collaboratorsMax} collaborators.`,
}

export const add = (
  a: AppRecord,
  user: Who,
  { id, now }: { readonly id: string; readonly now: number },
): Outcome<Collaborator> => {
  if (a.app.team != null) return moved
  const all = collaboratorsOf(a.app)
  if (a.app.owner.id === user.id || all.some((one) => one.user.id === user.id))
    return { code: 'invalid_params', reason: `${user.email} is already a collaborator on this app.` }
  if (all.length >= heroku.collaboratorsMax) return tooMany
  const answer = { id, user, createdAt: now, updatedAt: now }
  return { a: changed(a, { collaborators: [...all, answer] }, [], now), answer }
}

export const remove = (a: AppRecord, which: string, now: number): Outcome<Collaborator> => {
  const answer = collaboratorIn(a.app, which)
  if (answer === undefined) return { code: 'not_found', reason: "Couldn't find that collaborator." }
  const collaborators = collaboratorsOf(a.app).filter((one) => one !== answer)
  const offer = a.app.offer?.to.id === answer.user.id ? { offer: null } : {}
  return { a: changed(a, { collaborators, ...offer }, [listOf(a.app, answer.user.id)], now), answer }
}

/** At an app of a team: a collaborator more, or with other permissions, or of another membership. */
export const grant = (
  a: AppRecord,
  teamId: string,
  given: Grant,
  { id, now }: { readonly id: string; readonly now: number },
): Outcome<Collaborator> => {
  if (a.app.team?.id !== teamId) return moved
  const all = collaboratorsOf(a.app)
  const found = all.find(({ user }) => user.id === given.user.id)
  if (found === undefined && all.length >= heroku.collaboratorsMax) return tooMany
  const answer = granted(given, { id, now }, found)
  const collaborators = [...all.filter((one) => one !== found), answer]
  return { a: changed(a, { collaborators }, [], now), answer }
}

const granted = (
  { user, permissions, membership }: Grant,
  made: { readonly id: string; readonly now: number },
  known?: Collaborator,
): Collaborator => {
  const isSame = known?.membership === membership
  const { id, createdAt } = isSame ? known : { id: made.id, createdAt: made.now }
  return { id, user, permissions: [...permissions], membership, createdAt, updatedAt: made.now }
}

type Move = {
  readonly from: string
  readonly owner: Who
  readonly team: AppView['team']
  readonly grants: readonly Grant[]
}

/** From or to a team: of its collaborators those stay who were given something there. */
export const move = (
  a: AppRecord,
  { from, owner, team = null, grants }: Move,
  { uuid, now }: { readonly uuid: () => string; readonly now: number },
): Outcome<AppView> => {
  if (a.app.owner.id !== from) return moved
  const collaborators = grants
    .slice(0, heroku.collaboratorsMax)
    .map((one) => granted(one, { id: uuid(), now }))
  const next = changed(a, { owner, team, collaborators, offer: null }, usersOf(a.app), now)
  return { a: next, answer: next.app }
}

export const lock = (a: AppRecord, isLocked: boolean, now: number): Outcome<AppView> => {
  const { team } = a.app
  if (team == null) return { code: 'invalid_params', reason: `No team owns ${a.app.name}.` }
  if (team.isLocked === isLocked) return { a, answer: a.app }
  const app = { ...a.app, team: { ...team, isLocked }, updatedAt: Math.max(now, a.app.updatedAt) }
  return { a: { ...a, app }, answer: app }
}

const moved: Refusal = {
  code: 'conflict',
  reason: 'This app has another owner by now. Look before you try again.',
}

/** One offer at a time, to a collaborator, as on Heroku. */
export const offer = (
  a: AppRecord,
  to: Who,
  { id, now }: { readonly id: string; readonly now: number },
): Outcome<AppView> => {
  const { owner, team, offer: open } = a.app
  if (team != null)
    return { code: 'invalid_params', reason: `A team owns ${a.app.name}: it cannot be offered.` }
  if (owner.id === to.id) return { code: 'invalid_params', reason: `${to.email} owns this app already.` }
  if (open != null)
    return {
      code: 'invalid_params',
      reason: `A transfer of this app to ${open.to.email} is pending: cancel it first.`,
    }
  if (!collaboratorsOf(a.app).some(({ user }) => user.id === to.id))
    return {
      code: 'invalid_params',
      reason: `${to.email} is not a collaborator on this app: give access first (heroku access:add).`,
    }
  const next = changed(a, { offer: { id, to, createdAt: now, updatedAt: now } }, [], now)
  return { a: next, answer: next.app }
}

/** Who had it before is a collaborator from then on, as on Heroku. @param made.id of that one */
export const answerOffer = (
  a: AppRecord,
  which: string,
  state: 'accepted' | 'declined',
  { id, now }: { readonly id: string; readonly now: number },
): Outcome<AppView> => {
  const { owner, offer: open } = a.app
  if (open?.id !== which) return { code: 'not_found', reason: "Couldn't find that app transfer." }
  const former = { id, user: owner, createdAt: now, updatedAt: now }
  const others = collaboratorsOf(a.app).filter(({ user }) => user.id !== open.to.id)
  const moved = state === 'accepted' ? { owner: open.to, collaborators: [...others, former] } : {}
  const next = changed(a, { ...moved, offer: null }, [], now)
  return { a: next, answer: next.app }
}

/** Its lists must show it anew: it has another name, or others may use it. */
export const changed = (
  a: AppRecord,
  change: Partial<AppView>,
  gone: readonly string[],
  now: number,
): AppRecord => {
  const app = { ...a.app, ...change, updatedAt: Math.max(now, a.app.updatedAt) }
  const users = usersOf(app)
  const former = [...new Set([...(a.former ?? []), ...gone])].filter((id) => !users.includes(id))
  return { ...a, app, former, listing: (a.listing ?? 0) + 1 }
}

/** What was shown is what there is to show. */
export const listed = (a: AppRecord, listing: number): AppRecord =>
  a.listing === listing ? { ...a, former: [], listed: listing } : a

/** What a team keeps of itself, and what of it is still under way. Pure. */
import { heroku } from '../../config/heroku.ts'
import { is, type Static } from '../../src/runtime/index.ts'
import { teamShape, type Member, type TeamRole, type TeamView } from '../protocols/team.ts'
import type { Who } from '../protocols/shapes.ts'

export const teamRecordSchema = is.obj({
  team: teamShape,
  /** `destroying`: whether it owns anything is looked at; `ending`: it has none, and goes. */
  phase: is.oneOf('creating', 'live', 'destroying', 'ending'),
  /** Asked for, not yet known to be ours; null: none. */
  claiming: is.orNull(is.str),
  /** Given up, not yet known to be free. */
  releasing: is.arr(is.str),
  /** Apps that are to be its own, and not surely in its list yet. */
  arriving: is.arr(is.obj({ appId: is.str, at: is.int })),
  /** How often its name or its members changed, and of these how often their lists have heard. */
  listing: is.int,
  listed: is.int,
  /** Users whose lists may show it still. */
  former: is.arr(is.str),
})
export type TeamRecord = Static<typeof teamRecordSchema>

type Made = { readonly id: string; readonly memberId: string; readonly name: string; readonly owner: Who }

export const newTeam = ({ id, memberId, name, owner }: Made, now: number): TeamRecord => {
  const times = { createdAt: now, updatedAt: now }
  const admin: Member = { id: memberId, user: owner, role: 'admin', ...times }
  return {
    team: { id, name, members: [admin], ...times },
    phase: 'creating',
    claiming: name,
    releasing: [],
    arriving: [],
    listing: 1,
    listed: 0,
    former: [],
  }
}

export const isListed = ({ listing, listed }: TeamRecord): boolean => listed >= listing

/** Something must happen yet, whoever waits for it. */
export const unfinished = (r: TeamRecord): boolean =>
  r.phase !== 'live' || r.claiming !== null || r.releasing.length > 0 || r.arriving.length > 0 || !isListed(r)

/** By the user's id or address, or the membership's id. */
export const memberIn = ({ members }: TeamView, which: string): Member | undefined =>
  members.find(({ id, user }) => [id, user.id, user.email].includes(which))

type Refusal = { readonly code: 'invalid_params' | 'not_found' | 'conflict'; readonly reason: string }
export type Outcome<T> = { readonly r: TeamRecord; readonly answer: T } | Refusal

const noMember: Refusal = { code: 'not_found', reason: "Couldn't find that team member." }
const noAdmin: Refusal = {
  code: 'invalid_params',
  reason: 'A team must have an admin: give the role to another member first.',
}
const tooMany: Refusal = {
  code: 'invalid_params',
  reason: `A team cannot have more than ${heroku.teamMembersMax} members.`,
}

const hasAdmin = (members: readonly Member[]): boolean => members.some(({ role }) => role === 'admin')

type Wanted = { readonly user: Who; readonly role: TeamRole; readonly as: 'new' | 'known' | 'any' }

export const setMember = (
  r: TeamRecord,
  { user, role, as }: Wanted,
  { id, now }: { readonly id: string; readonly now: number },
): Outcome<Member> => {
  const { members } = r.team
  const found = memberIn(r.team, user.id)
  if (found === undefined) {
    if (as === 'known') return noMember
    if (members.length >= heroku.teamMembersMax) return tooMany
    const answer = { id, user, role, createdAt: now, updatedAt: now }
    return { r: withMembers(r, [...members, answer], [], now), answer }
  }
  if (as === 'new')
    return { code: 'invalid_params', reason: `${user.email} is a member of the team ${r.team.name} already.` }
  if (found.role === role) return { r, answer: found }
  const answer = { ...found, role, updatedAt: now }
  const next = members.map((one) => (one === found ? answer : one))
  return hasAdmin(next) ? { r: withMembers(r, next, [], now), answer } : noAdmin
}

export const removeMember = (r: TeamRecord, which: string, now: number): Outcome<Member> => {
  const answer = memberIn(r.team, which)
  if (answer === undefined) return noMember
  const next = r.team.members.filter((one) => one !== answer)
  return hasAdmin(next) ? { r: withMembers(r, next, [answer.user.id], now), answer } : noAdmin
}

/** Whoever uses the app beside its team is of the team, if only as a collaborator: so all ends with that. */
export const admit = (
  r: TeamRecord,
  appId: string,
  users: readonly Who[],
  { uuid, now }: { readonly uuid: () => string; readonly now: number },
): Outcome<TeamView> => {
  const others = r.arriving.filter((one) => one.appId !== appId)
  if (others.length >= heroku.teamArrivalsMax)
    return {
      code: 'conflict',
      reason: 'Too many apps are on their way to this team. Please try again in a moment.',
    }
  const fresh = users.filter(({ id }) => memberIn(r.team, id) === undefined)
  if (r.team.members.length + fresh.length > heroku.teamMembersMax) return tooMany
  const added = fresh.map((user): Member => ({
    id: uuid(),
    user,
    role: 'collaborator',
    createdAt: now,
    updatedAt: now,
  }))
  const next = added.length === 0 ? r : withMembers(r, [...r.team.members, ...added], [], now)
  return { r: { ...next, arriving: [...others, { appId, at: now }] }, answer: next.team }
}

export const arrived = (r: TeamRecord, appId: string): TeamRecord =>
  r.arriving.some((one) => one.appId === appId)
    ? { ...r, arriving: r.arriving.filter((one) => one.appId !== appId) }
    : r

/** The lists of its members must show it anew. */
const withMembers = (
  r: TeamRecord,
  members: readonly Member[],
  gone: readonly string[],
  now: number,
): TeamRecord => {
  const isIn = new Set(members.map(({ user }) => user.id))
  const former = [...new Set([...r.former, ...gone])].filter((id) => !isIn.has(id))
  return {
    ...r,
    team: { ...r.team, members: [...members], updatedAt: now },
    former,
    listing: r.listing + 1,
  }
}

/** That is its name now; the former one is given back. */
export const renamed = (r: TeamRecord, name: string, now: number): TeamRecord => ({
  ...r,
  team: { ...r.team, name, updatedAt: now },
  claiming: null,
  releasing: [...r.releasing, r.team.name],
  listing: r.listing + 1,
})

/** What was shown is what there is to show. */
export const listed = (r: TeamRecord, listing: number): TeamRecord =>
  r.listing === listing ? { ...r, former: [], listed: listing } : r

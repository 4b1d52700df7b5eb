/** Team: users who own apps together. Keyed by team id, durable. */
import { ask, is, protocol, tell, type Static } from '../../src/runtime/index.ts'
import { actorShape } from './shapes.ts'

export const teamRoles = ['admin', 'member', 'viewer', 'collaborator'] as const
export const teamRoleShape = is.oneOf(...teamRoles)
export type TeamRole = Static<typeof teamRoleShape>

export const memberShape = is.obj({
  /** Of this membership: who is removed and comes again has another. */
  id: is.str,
  user: actorShape,
  role: teamRoleShape,
  createdAt: is.int,
  updatedAt: is.int,
})
export type Member = Static<typeof memberShape>

export const teamShape = is.obj({
  id: is.str,
  name: is.str,
  /** Oldest first. One of them at least is an admin. */
  members: is.arr(memberShape),
  createdAt: is.int,
  updatedAt: is.int,
})
export type TeamView = Static<typeof teamShape>

/** Refusal codes: `not_found`, `name_taken`, `invalid_params`, `conflict`. */
export const Team = protocol('team', 1, {
  /** Claims the name; `owner` is its first admin. One that exists answers as it is. */
  create: ask({ name: is.str, owner: actorShape }, teamShape),
  info: ask({}, teamShape),
  rename: ask({ name: is.str }, teamShape),
  /** `as`: only who is new, only who is in it, or both. `invalid_params`: none would be an admin. */
  setMember: ask({ user: actorShape, role: teamRoleShape, as: is.oneOf('new', 'known', 'any') }, memberShape),
  /** By the user's id or address, or the membership's id. What they were given ends with it. */
  removeMember: ask({ user: is.str }, memberShape),
  /**
   * An app is to be the team's, which is not destroyed meanwhile. `users` who are no members become
   * collaborators.
   */
  admit: ask({ appId: is.str, users: is.arr(actorShape) }, teamShape),
  /** From App: the team's list shows it. */
  arrived: tell({ appId: is.str }),
  /** `conflict`: it has apps or pipelines. */
  destroy: ask({}, teamShape),
  /** Own results of effects and asks. */
  claimed: tell({ name: is.str }),
  claimFailed: tell({ name: is.str, code: is.str, reason: is.str }),
  releasedName: tell({ name: is.str }),
  listed: tell({ listing: is.int }),
  counted: tell({ owns: is.bool }),
  stepFailed: tell({ step: is.str, reason: is.str }),
  /** Own timers. */
  resume: tell({}),
})

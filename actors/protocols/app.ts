/** App: the identity and settings of one app. Keyed by app id, durable. */
import { ask, is, protocol, tell, type Static } from '../../src/runtime/index.ts'
import { outboxMessages } from './event.ts'
import { actorShape } from './shapes.ts'

export const domainShape = is.obj({
  id: is.str,
  hostname: is.str,
  /** First label of what a DNS record points at; the platform's domain follows. */
  cname: is.str,
  /** The endpoint whose certificate it has; none: the platform's. */
  endpointId: is.opt(is.orNull(is.str)),
  /** The formation has not said yet that the app's route has it. */
  isPending: is.opt(is.bool),
  createdAt: is.int,
  updatedAt: is.int,
})

/** A certificate as it was given: its sealed pair by id (see effects/certificates.ts), and what it says. */
export const pairShape = is.obj({
  pairId: is.str,
  names: is.arr(is.str),
  issuer: is.str,
  subject: is.str,
  startsAt: is.int,
  expiresAt: is.int,
  isTrusted: is.bool,
  isSelfSigned: is.bool,
})

/** Where a certificate is kept under a name that stays when the certificate is another. */
export const endpointShape = is.obj({
  id: is.str,
  name: is.str,
  pair: pairShape,
  createdAt: is.int,
  updatedAt: is.int,
})
export type EndpointView = Static<typeof endpointShape>

/** Of a telemetry drain: under which id its headers are sealed (effects/vault.ts); empty: it has none. */
const telemetryShape = is.obj({ headersId: is.str })

/** Where the log is sent on to. */
export const drainShape = is.obj({
  id: is.str,
  /** `d.<uuid>`: how its receiver knows it. A telemetry drain is known by its id. */
  token: is.str,
  url: is.str,
  /** Absent: not a telemetry drain. */
  telemetry: is.opt(telemetryShape),
  createdAt: is.int,
  updatedAt: is.int,
})
export type DrainView = Static<typeof drainShape>

/** Who has the token may write into the log, under that name. */
export const logTokenShape = is.obj({
  /** `t.<uuid>` */
  token: is.str,
  /** What its lines show as their source. An app has one token of a name. */
  name: is.str,
  createdAt: is.int,
})
export type LogToken = Static<typeof logTokenShape>

export const permissionShape = is.oneOf('view', 'deploy', 'operate', 'manage')
export type Permission = Static<typeof permissionShape>

/** Somebody else who may use an app. */
export const collaboratorShape = is.obj({
  id: is.str,
  user: actorShape,
  /** At an app of a team; absent where a person owns it. */
  permissions: is.opt(is.arr(permissionShape)),
  /** Of the team, by its id: what was given to a member ends with the membership. */
  membership: is.opt(is.str),
  createdAt: is.int,
  updatedAt: is.int,
})
export type Collaborator = Static<typeof collaboratorShape>

/** What a user is given at an app of a team. */
const grantShape = is.obj({ user: actorShape, permissions: is.arr(permissionShape), membership: is.str })
export type Grant = Static<typeof grantShape>

/** `isLocked`: members of the team cannot join it by themselves. */
const ofTeamShape = is.obj({ id: is.str, isLocked: is.bool })

/**
 * The pipeline that it is in, or was in last. `at`: when that one took it in, by which it knows what is
 * older.
 */
const coupledShape = is.obj({ pipelineId: is.str, at: is.int, isOver: is.bool })

export const appShape = is.obj({
  id: is.str,
  name: is.str,
  /** Of a team's: the team's id, and an address by the name that the team had when the app came to it. */
  owner: actorShape,
  /** Absent, or null: a person owns it. */
  team: is.opt(is.orNull(ofTeamShape)),
  /** Absent where there never was one. */
  collaborators: is.opt(is.arr(collaboratorShape)),
  /** The app is offered to that collaborator, who may become its owner. */
  offer: is.opt(is.orNull(is.obj({ id: is.str, to: actorShape, createdAt: is.int, updatedAt: is.int }))),
  region: is.str,
  stack: is.str,
  /** Applies from the next build on. */
  buildStack: is.str,
  maintenance: is.bool,
  /** Ordered: `heroku/nodejs`, or a git or tgz URL. Empty: detect. */
  buildpacks: is.arr(is.str),
  buildpackDescription: is.orNull(is.str),
  domains: is.arr(domainShape),
  /** Absent in records of before there were certificates. */
  endpoints: is.opt(is.arr(endpointShape)),
  /** Absent in records of before there were drains. */
  drains: is.opt(is.arr(drainShape)),
  /** Absent where nobody was given one. */
  logTokens: is.opt(is.arr(logTokenShape)),
  /** Names of config/features.ts, sorted. */
  features: is.arr(is.str),
  /** Absent where it was never in one. */
  coupled: is.opt(coupledShape),
  repoBytes: is.orNull(is.int),
  slugBytes: is.orNull(is.int),
  releasedAt: is.orNull(is.int),
  createdAt: is.int,
  updatedAt: is.int,
})
export type AppView = Static<typeof appShape>

/** The pipeline that an app is in. */
export const pipelineIdOf = ({ coupled }: AppView): string | undefined =>
  coupled === undefined || coupled.isOver ? undefined : coupled.pipelineId

/** Who asks, for the events of it; left out: its owner. */
const by = is.opt(actorShape)

/**
 * Refusal codes: `not_found`, `name_taken`, `hostname_taken`, `invalid_params`.
 * Names and hostnames are claimed by `create` in the store, so they are unique whoever decides.
 */
export const App = protocol('app', 1, {
  /**
   * Claims the name, then opens Releases and Formation. An app that exists answers as it is (idempotent by
   * id).
   */
  create: ask(
    {
      name: is.str,
      owner: actorShape,
      region: is.str,
      stack: is.str,
      team: is.opt(ofTeamShape),
      /** To whoever makes it for a team. */
      grant: is.opt(grantShape),
    },
    appShape,
  ),
  info: ask({}, appShape),
  rename: ask({ name: is.str, by }, appShape),
  change: ask(
    { maintenance: is.opt(is.bool), buildStack: is.opt(is.str), buildpacks: is.opt(is.arr(is.str)), by },
    appShape,
  ),
  /** Turns a feature of config/features.ts on or off. */
  feature: ask({ name: is.str, enabled: is.bool, by }, appShape),
  addDomain: ask({ hostname: is.str, by }, domainShape),
  /** `endpoint`: name or id of the one whose certificate the domain gets; null: the platform's. */
  attachDomain: ask({ hostname: is.str, endpoint: is.orNull(is.str), by }, domainShape),
  removeDomain: ask({ hostname: is.str, by }, domainShape),
  /** `name` is taken as a wish. */
  addEndpoint: ask({ name: is.str, pair: pairShape, by }, endpointShape),
  /** Another certificate under the same name; connections that are open keep theirs. */
  changeEndpoint: ask({ endpoint: is.str, pair: pairShape, by }, endpointShape),
  removeEndpoint: ask({ endpoint: is.str, by }, endpointShape),
  /** Answered once lines go there. `invalid_params`: it has that one, or as many as there may be. */
  addDrain: ask({ url: is.str, telemetry: is.opt(telemetryShape) }, drainShape),
  /** Of a telemetry drain, by id. Answered once lines go there. */
  changeDrain: ask({ drain: is.str, url: is.str, telemetry: telemetryShape }, drainShape),
  /** `drain`: its id, token or URL. Answered once it is on record that nothing goes there any more. */
  removeDrain: ask({ drain: is.str }, drainShape),
  /**
   * Log tokens, by their names: one that there is stays as it is. Answered with all of them once those that
   * are new lead here. `invalid_params`: there would be too many. `conflict`: what is to go is on its way.
   */
  changeLogTokens: ask(
    { add: is.arr(is.str), remove: is.arr(is.str) },
    is.obj({ tokens: is.arr(logTokenShape) }),
  ),
  /** `invalid_params`: that user may use it already, or too many may. */
  addCollaborator: ask({ user: actorShape, by }, collaboratorShape),
  /** At an app of that team: new, or others than before. `conflict`: it is not that team's any more. */
  grant: ask({ teamId: is.str, grant: grantShape, by }, collaboratorShape),
  /** By the user's id or address, or the collaborator's id. */
  removeCollaborator: ask({ user: is.str, by }, collaboratorShape),
  /** Offers the app to a collaborator. `invalid_params`: to nobody else, and to one at a time. */
  offer: ask({ to: actorShape, by }, appShape),
  /** `not_found`: that offer is not pending. */
  answerOffer: ask({ offer: is.str, state: is.oneOf('accepted', 'declined'), by }, appShape),
  /**
   * To another owner, of which one is a team at least: who has no grant there may not use it any more.
   * `conflict`: it is not `from`'s any more.
   */
  move: ask(
    { from: is.str, owner: actorShape, team: is.orNull(ofTeamShape), grants: is.arr(grantShape), by },
    appShape,
  ),
  /** `invalid_params`: no team owns it. */
  lock: ask({ isLocked: is.bool, by }, appShape),
  /** From Team: whether its lists show it as it is. */
  lists: ask({}, is.obj({ isListed: is.bool })),
  /** From Pipeline. `invalid_params`: it is in another. `conflict`: that is over by now. */
  couple: ask({ pipelineId: is.str, at: is.int }, is.obj({})),
  uncouple: ask({ pipelineId: is.str, at: is.int }, is.obj({})),
  /** From Channel. */
  drains: ask({}, is.obj({ ids: is.arr(is.str) })),
  /** Stops everything, gives the names back, removes every record; answered when done. */
  destroy: ask({ by }, appShape),
  /** From Build: what the last build found. */
  built: tell({
    buildpackDescription: is.str,
    slugBytes: is.int,
    stack: is.str,
    /** The buildpack that was found, for an app that has none set. */
    detected: is.opt(is.str),
  }),
  /** From git: what is stored of its repository. */
  stored: tell({ repoBytes: is.int }),
  /** From Releases: when the current release came to be, and what its slug was built on. */
  released: tell({ at: is.int, stack: is.opt(is.str) }),
  /** Own results of effects and asks; `name` is `app/<name>`, `host/<hostname>` or `token/<token>`. */
  claimed: tell({ name: is.str }),
  claimFailed: tell({ name: is.str, code: is.str, reason: is.str }),
  releasedName: tell({ name: is.str }),
  drainReady: tell({ id: is.str, at: is.int }),
  drainOpened: tell({ id: is.str, at: is.int }),
  drainClosed: tell({ id: is.str }),
  shown: tell({ at: is.int }),
  listed: tell({ listing: is.int }),
  stepped: tell({ step: is.str }),
  stepFailed: tell({ step: is.str, reason: is.str }),
  /** Own timers. */
  resume: tell({}),
  ...outboxMessages,
})

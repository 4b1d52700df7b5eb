/**
 * Turns of an app about who may use it: on record first, then answered, and from there on its way to the
 * lists of its users.
 */
import type { AskCtx } from '../../src/runtime/index.ts'
import type { App, AppView, Collaborator, Grant } from '../protocols/app.ts'
import type { Who } from '../protocols/shapes.ts'
import * as access from './access.ts'
import { isListed, type AppRecord } from './record.ts'
import * as saga from './saga.ts'
import { become, type Self } from './saga.ts'
import type { State } from './waiting.ts'

type By = { readonly by?: Who | undefined }
type Live = State & { readonly a: AppRecord }

export const isLive = (s: State): s is Live => s.a?.phase === 'live'

export const gone = (s: State, ctx: Pick<AskCtx<typeof App, unknown>, 'refuseCaller'>): State => {
  ctx.refuseCaller('not_found', "Couldn't find that app.")
  return s
}

/** One decision of access.ts as a turn. */
const turn =
  <M extends By, T>(decide: (a: AppRecord, message: M, ctx: Self) => access.Outcome<T>) =>
  (s: State, message: M, ctx: AskCtx<typeof App, T>): State => {
    if (!isLive(s)) return gone(s, ctx)
    const outcome = decide(s.a, message, ctx)
    if ('code' in outcome) {
      ctx.refuseCaller(outcome.code, outcome.reason)
      return s
    }
    // One change at a time is on its way; what came meanwhile follows it (`listed`).
    if (isListed(s.a) && !isListed(outcome.a)) saga.list(outcome.a, ctx)
    ctx.reply(outcome.answer)
    return become(s, outcome.a, ctx, message.by)
  }

export const addCollaborator = turn((a, { user }: By & { readonly user: Who }, ctx) =>
  access.add(a, user, { id: ctx.uuid(), now: ctx.now }),
)

export const removeCollaborator = turn((a, { user }: By & { readonly user: string }, ctx) =>
  access.remove(a, user, ctx.now),
)

/** Of an app that is made for a team. */
export const first = (given: Grant | undefined, ctx: Self): Collaborator[] =>
  given === undefined ? [] : [{ id: ctx.uuid(), ...given, createdAt: ctx.now, updatedAt: ctx.now }]

export const grant = turn((a, { teamId, grant: given }: By & { teamId: string; grant: Grant }, ctx) =>
  access.grant(a, teamId, given, { id: ctx.uuid(), now: ctx.now }),
)

type Move = By & Parameters<typeof access.move>[1]
export const move = turn((a, message: Move, ctx): access.Outcome<AppView> =>
  access.move(a, message, { uuid: () => ctx.uuid(), now: ctx.now }),
)

export const lock = turn((a, { isLocked }: By & { readonly isLocked: boolean }, ctx) =>
  access.lock(a, isLocked, ctx.now),
)

export const offer = turn((a, { to }: By & { readonly to: Who }, ctx) =>
  access.offer(a, to, { id: ctx.uuid(), now: ctx.now }),
)

type Answer = By & { readonly offer: string; readonly state: 'accepted' | 'declined' }
export const answerOffer = turn((a, { offer: id, state }: Answer, ctx) =>
  access.answerOffer(a, id, state, { id: ctx.uuid(), now: ctx.now }),
)

export const listed = (s: State, { listing }: { readonly listing: number }, ctx: Self): State => {
  if (!isLive(s)) return s
  const a = access.listed(s.a, listing)
  if (!isListed(a)) saga.list(a, ctx)
  else saga.tellTeam(a, ctx)
  return become(s, a, ctx)
}

/**
 * Team: users who own apps together, each with a role. The team's record decides who may do what at its apps,
 * and is read at every call: who is removed may do nothing from then on.
 *
 * What is under way is on record before it is begun. Lost with the activation: who waits for an answer; what
 * they wait for is finished all the same.
 */
import { actor, type AskCtx } from '../src/runtime/index.ts'
import * as record from './team/record.ts'
import { isListed, newTeam, unfinished, type TeamRecord } from './team/record.ts'
import { teamRecord } from './team/kept.ts'
import * as saga from './team/saga.ts'
import { become, fresh, type Self, type State } from './team/saga.ts'
import { Team } from './protocols/team.ts'
import { settle, wait } from './waiting.ts'

export const team = actor(Team, {
  mailbox: { capacity: 1_000, overflow: 'reject' },
  durable: {
    version: teamRecord.version,
    schema: teamRecord.schema,
    save: (s: State) => s.r ?? undefined,
    load: (r): State => ({ ...fresh, r }),
  },
  init: (): State => fresh,
  awake(s, ctx) {
    if (s.r !== null && unfinished(s.r)) saga.resume(s.r, ctx)
    return s
  },
  receive: {
    create(s, { name, owner }, ctx) {
      if (s.r?.phase === 'live') {
        ctx.reply(s.r.team)
        return s
      }
      if (s.r !== null && s.r.phase !== 'creating') return gone(s, ctx)
      const waiting = wait(s, 'create', ctx.caller)
      if (s.r !== null) return { ...s, waiting }
      const r = newTeam({ id: ctx.self.key, memberId: ctx.uuid(), name, owner }, ctx.now)
      saga.claim(r, ctx)
      return become({ ...s, waiting }, r, ctx)
    },
    info(s, _, ctx) {
      if (s.r?.phase !== 'live') return gone(s, ctx)
      ctx.reply(s.r.team)
      return s
    },
    rename(s, { name }, ctx) {
      if (s.r?.phase !== 'live') return gone(s, ctx)
      if (s.r.team.name === name) {
        ctx.reply(s.r.team)
        return s
      }
      if (s.r.claiming === name) return { ...s, waiting: wait(s, renaming, ctx.caller) }
      if (s.r.claiming !== null) {
        ctx.refuseCaller('conflict', 'This team is being renamed already. Please try again.')
        return s
      }
      const r = { ...s.r, claiming: name }
      saga.claim(r, ctx)
      return become({ ...s, waiting: wait(s, renaming, ctx.caller) }, r, ctx)
    },
    setMember(s, wanted, ctx) {
      if (s.r?.phase !== 'live') return gone(s, ctx)
      return decided(s, record.setMember(s.r, wanted, { id: ctx.uuid(), now: ctx.now }), ctx)
    },
    removeMember(s, { user }, ctx) {
      if (s.r?.phase !== 'live') return gone(s, ctx)
      return decided(s, record.removeMember(s.r, user, ctx.now), ctx)
    },
    admit(s, { appId, users }, ctx) {
      if (s.r?.phase !== 'live') return gone(s, ctx)
      return decided(s, record.admit(s.r, appId, users, { uuid: () => ctx.uuid(), now: ctx.now }), ctx)
    },
    arrived: (s, { appId }, ctx) => (s.r === null ? s : become(s, record.arrived(s.r, appId), ctx)),
    destroy(s, _, ctx) {
      if (s.r === null || s.r.phase === 'creating') return gone(s, ctx)
      if (s.r.phase === 'live' && (s.r.arriving.length > 0 || s.r.claiming !== null)) {
        const what =
          s.r.claiming === null ? 'An app is on its way to this team' : 'This team is being renamed'
        ctx.refuseCaller('conflict', `${what}. Please try again in a moment.`)
        return s
      }
      const waiting = wait(s, 'destroy', ctx.caller)
      if (s.r.phase !== 'live') return { ...s, waiting }
      saga.count(ctx)
      return become({ ...s, waiting }, { ...s.r, phase: 'destroying' }, ctx)
    },
    counted(s, { owns }, ctx) {
      if (s.r?.phase !== 'destroying') return s
      if (owns) {
        const reason = `The team ${s.r.team.name} has apps or pipelines: transfer or destroy them first.`
        return become(
          settle(s, 'destroy', (caller) => ctx.refuse(caller, 'conflict', reason)),
          { ...s.r, phase: 'live' },
          ctx,
        )
      }
      const r: TeamRecord = { ...s.r, phase: 'ending', listing: s.r.listing + 1 }
      saga.list(r, ctx)
      return become(s, r, ctx)
    },
    listed(s, { listing }, ctx) {
      if (s.r === null) return s
      const r = record.listed(s.r, listing)
      if (!isListed(r)) {
        saga.list(r, ctx)
        return become(s, r, ctx)
      }
      if (r.phase === 'creating') {
        return become(
          settle(s, 'create', (caller) => ctx.answer(caller, r.team)),
          { ...r, phase: 'live' },
          ctx,
        )
      }
      if (r.phase !== 'ending' || r.releasing.includes(r.team.name)) return become(s, r, ctx)
      saga.release(r.team.name, ctx)
      return become(s, { ...r, releasing: [...r.releasing, r.team.name] }, ctx)
    },
    claimed(s, { name }, ctx) {
      if (s.r === null || s.r.claiming !== name) return s
      if (s.r.phase === 'creating') {
        const r = { ...s.r, claiming: null }
        saga.list(r, ctx)
        return become(s, r, ctx)
      }
      const former = s.r.team.name
      const r = record.renamed(s.r, name, ctx.now)
      saga.release(former, ctx)
      return become(
        settle(s, renaming, (caller) => ctx.answer(caller, r.team)),
        r,
        ctx,
      )
    },
    claimFailed(s, { name, code, reason }, ctx) {
      if (s.r === null || s.r.claiming !== name) return s
      if (code !== 'taken') {
        ctx.log({ at: 'claim_failed', name, reason })
        saga.later(ctx)
        return s
      }
      const isNew = s.r.phase === 'creating'
      const refusing = settle(s, isNew ? 'create' : renaming, (caller) =>
        ctx.refuse(caller, 'name_taken', `Name ${name} is already taken`),
      )
      return become(refusing, isNew ? null : { ...s.r, claiming: null }, ctx)
    },
    releasedName(s, { name }, ctx) {
      if (s.r === null || !s.r.releasing.includes(name)) return s
      const r = { ...s.r, releasing: s.r.releasing.filter((other) => other !== name) }
      if (r.phase === 'ending' && r.releasing.length === 0 && isListed(r)) {
        return become(
          settle(s, 'destroy', (caller) => ctx.answer(caller, r.team)),
          null,
          ctx,
        )
      }
      saga.claim(r, ctx)
      return become(s, r, ctx)
    },
    stepFailed(s, { step, reason }, ctx) {
      ctx.log({ at: 'step_failed', step, reason })
      saga.later(ctx)
      return s
    },
    resume(s, _, ctx) {
      if (s.r === null || !unfinished(s.r)) return s
      saga.resume(s.r, ctx)
      // Reminders come once: the next one is set while there is something to do.
      saga.remind(ctx)
      return s
    },
  },
})

/** What callers of `rename` wait for. */
const renaming = 'rename'

const gone = (s: State, ctx: Pick<AskCtx<typeof Team, unknown>, 'refuseCaller'>): State => {
  ctx.refuseCaller('not_found', "Couldn't find that team.")
  return s
}

/** On record first, then answered, and from there on its way to the lists. */
const decided = <T>(s: State, outcome: record.Outcome<T>, ctx: AskCtx<typeof Team, T> & Self): State => {
  if ('code' in outcome) {
    ctx.refuseCaller(outcome.code, outcome.reason)
    return s
  }
  ctx.reply(outcome.answer)
  return become(s, outcome.r, ctx)
}

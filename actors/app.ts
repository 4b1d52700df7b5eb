/**
 * App: the identity and settings of one app, and the order in which an app comes and goes.
 *
 * Names are unique because they are claimed in the store, whoever decides. A claim is on record before it is
 * made, and a name stays on record until it is free again, so that no crash leaves a name without an owner.
 * Lost with the activation: who waits for an answer. What they wait for is finished all the same.
 */
import { heroku } from '../config/heroku.ts'
import { actor, ref, type AskCtx } from '../src/runtime/index.ts'
import {
  isListed,
  nameFrom,
  newApp,
  sameName,
  shown,
  shownAll,
  unfinished,
  type AppRecord,
  type Name,
} from './app/record.ts'
import { settledEvents, tellEvents } from './app/telling.ts'
import * as claims from './app/claims.ts'
import * as coupled from './app/coupled.ts'
import * as drains from './app/drains.ts'
import * as endpoints from './app/endpoints.ts'
import { appRecord } from './app/kept.ts'
import * as granting from './app/granting.ts'
import { gone } from './app/granting.ts'
import * as logTokens from './app/log-tokens.ts'
import * as saga from './app/saga.ts'
import { become } from './app/saga.ts'
import { fresh, loaded, type State } from './app/waiting.ts'
import { Certificates } from './effects/certificates.ts'
import { failed, isAllTold, told } from './events/outbox.ts'
import { App, type DrainView } from './protocols/app.ts'
import { Channel } from './protocols/channel.ts'
import type { Who } from './protocols/shapes.ts'
import { settle, wait } from './waiting.ts'

type Self = saga.Self

export const app = actor(App, {
  mailbox: { capacity: 1_000, overflow: 'reject' },
  durable: {
    version: appRecord.version,
    schema: appRecord.schema,
    save: (s: State) => s.a ?? undefined,
    load: loaded,
  },
  init: (): State => fresh,
  awake(s, ctx) {
    if (s.a !== null && unfinished(s.a)) saga.resume(s.a, ctx)
    return tellEvents(s, ctx)
  },
  receive: {
    create(s, { name, owner, region, stack, team, grant }, ctx) {
      if (s.a?.phase === 'destroying') return gone(s, ctx)
      if (s.a?.phase === 'live') {
        ctx.reply(s.a.app)
        return s
      }
      const waiting = wait(s, 'create', ctx.caller)
      if (s.a !== null) return { ...s, waiting }
      const claimed: Name = { kind: 'app', name }
      const ofTeam = team && { team, collaborators: granting.first(grant, ctx) }
      const made = newApp({ id: ctx.self.key, name, owner, region, stack, ...ofTeam }, ctx.now)
      const a = { ...made, claiming: [claimed] }
      saga.claim(a, claimed, ctx)
      return become({ ...s, waiting }, a, ctx)
    },
    info(s, _, ctx) {
      if (s.a?.phase !== 'live') return gone(s, ctx)
      ctx.reply(s.a.app)
      return s
    },
    rename(s, { name, by }, ctx) {
      if (s.a?.phase !== 'live') return gone(s, ctx)
      if (s.a.app.name === name) {
        ctx.reply(s.a.app)
        return s
      }
      if (s.a.claiming.some((other) => other.kind === 'app')) {
        ctx.refuseCaller('conflict', 'This app is being renamed already. Please try again.')
        return s
      }
      return claims.begin(s, s.a, { kind: 'app', name, ...(by && { by }) }, ctx.caller, ctx)
    },
    change(s, { maintenance, buildStack, buildpacks, by }, ctx) {
      if (s.a?.phase !== 'live') return gone(s, ctx)
      if (buildpacks !== undefined && buildpacks.length > heroku.buildpacksMax) {
        ctx.refuseCaller('invalid_params', `Cannot use more than ${heroku.buildpacksMax} buildpacks.`)
        return s
      }
      const facts = {
        // What was never built is on it at once.
        ...(buildStack === undefined
          ? {}
          : { buildStack, ...(s.a.app.slugBytes === null && { stack: buildStack }) }),
        ...(buildpacks === undefined ? {} : { buildpacks }),
      }
      const flipped = maintenance !== undefined && maintenance !== s.a.app.maintenance
      const kept = { ...s.a, app: { ...s.a.app, ...facts, updatedAt: ctx.now } }
      const a = flipped ? shown(kept, { maintenance }, ctx.now) : kept
      if (flipped) saga.show(a, ctx)
      ctx.reply(a.app)
      return become(s, a, ctx, by)
    },
    feature(s, { name, enabled, by }, ctx) {
      if (s.a?.phase !== 'live') return gone(s, ctx)
      const { features } = s.a.app
      if (features.includes(name) === enabled) {
        ctx.reply(s.a.app)
        return s
      }
      const kept = enabled ? [...features, name].sort() : features.filter((other) => other !== name)
      const a = shown(s.a, { features: kept }, ctx.now)
      saga.show(a, ctx)
      ctx.reply(a.app)
      return become(s, a, ctx, by)
    },
    addEndpoint(s, { name, pair, by }, ctx) {
      if (s.a?.phase !== 'live') return gone(s, ctx)
      return kept(s, s.a, endpoints.add(s.a.app, name, pair, { id: ctx.uuid(), now: ctx.now }), by, ctx)
    },
    changeEndpoint(s, { endpoint, pair, by }, ctx) {
      if (s.a?.phase !== 'live') return gone(s, ctx)
      return kept(s, s.a, endpoints.change(s.a.app, endpoint, pair, ctx.now), by, ctx)
    },
    removeEndpoint(s, { endpoint, by }, ctx) {
      if (s.a?.phase !== 'live') return gone(s, ctx)
      return kept(s, s.a, endpoints.remove(s.a.app, endpoint), by, ctx)
    },
    attachDomain(s, { hostname, endpoint, by }, ctx) {
      if (s.a?.phase !== 'live') return gone(s, ctx)
      return kept(s, s.a, endpoints.attach(s.a.app, hostname, endpoint, ctx.now), by, ctx)
    },
    addDomain(s, { hostname, by }, ctx) {
      if (s.a?.phase !== 'live') return gone(s, ctx)
      const name: Name = { kind: 'host', name: hostname.toLowerCase(), ...(by && { by }) }
      const taken = s.a.app.domains.some((domain) => domain.hostname === name.name)
      if (taken || s.a.claiming.some((other) => sameName(other, name))) {
        ctx.refuseCaller('invalid_params', `Domain ${name.name} is already added to this app.`)
        return s
      }
      if (s.a.app.domains.length + s.a.claiming.length >= heroku.domainsMax) {
        ctx.refuseCaller('invalid_params', `An app cannot have more than ${heroku.domainsMax} domains.`)
        return s
      }
      return claims.begin(s, s.a, name, ctx.caller, ctx)
    },
    removeDomain(s, { hostname, by }, ctx) {
      if (s.a?.phase !== 'live') return gone(s, ctx)
      const domain = s.a.app.domains.find(
        (one) => one.hostname === hostname.toLowerCase() || one.id === hostname,
      )
      if (domain === undefined) {
        ctx.refuseCaller('not_found', "Couldn't find that domain name.")
        return s
      }
      const name: Name = { kind: 'host', name: domain.hostname }
      const domains = s.a.app.domains.filter((one) => one !== domain)
      const a = shown({ ...s.a, releasing: [...s.a.releasing, name] }, { domains }, ctx.now)
      saga.release(name, ctx)
      saga.show(a, ctx)
      ctx.reply(domain)
      return become(s, a, ctx, by)
    },
    addDrain(s, { type: _type, ...to }, ctx) {
      if (s.a?.phase !== 'live') return gone(s, ctx)
      return led(s, drains.add(s.a, to, { id: ctx.uuid(), token: `d.${ctx.uuid()}`, now: ctx.now }), ctx)
    },
    changeDrain(s, { type: _type, drain, ...to }, ctx) {
      if (s.a?.phase !== 'live') return gone(s, ctx)
      return led(s, drains.change(s.a, drain, to, ctx.now), ctx)
    },
    removeDrain(s, { drain }, ctx) {
      if (s.a?.phase !== 'live') return gone(s, ctx)
      const found = drains.drainIn(s.a.app, drain)
      if (found === undefined) {
        ctx.refuseCaller('not_found', "Couldn't find that log drain.")
        return s
      }
      saga.closeDrain(found.id, ctx)
      ctx.tell(ref(Channel, ctx.self.key), { type: 'drainsChanged' })
      ctx.reply(found)
      return become(s, drains.remove(s.a, found, ctx.now), ctx)
    },
    changeLogTokens(s, { add, remove }, ctx) {
      if (s.a?.phase !== 'live') return gone(s, ctx)
      const made = logTokens.change(s.a, { add, remove }, { uuid: () => ctx.uuid(), now: ctx.now })
      if ('code' in made) {
        ctx.refuseCaller(made.code, made.reason)
        return s
      }
      for (const name of made.claims) saga.claim(made.a, name, ctx)
      for (const name of made.releases) saga.release(name, ctx)
      const waiting = wait(s, logTokens.waitedFor, ctx.caller)
      return logTokens.answered(become({ ...s, waiting }, made.a, ctx), ctx)
    },
    addCollaborator: (s, message, ctx) => granting.addCollaborator(s, message, ctx),
    removeCollaborator: (s, message, ctx) => granting.removeCollaborator(s, message, ctx),
    grant: (s, message, ctx) => granting.grant(s, message, ctx),
    move: (s, message, ctx) => granting.move(s, message, ctx),
    lock: (s, message, ctx) => granting.lock(s, message, ctx),
    lists(s, _, ctx) {
      if (s.a === null) return gone(s, ctx)
      ctx.reply({ isListed: s.a.phase !== 'creating' && isListed(s.a) })
      return s
    },
    offer: (s, message, ctx) => granting.offer(s, message, ctx),
    answerOffer: (s, message, ctx) => granting.answerOffer(s, message, ctx),
    listed: (s, message, ctx) => granting.listed(s, message, ctx),
    couple(s, asked, ctx) {
      if (s.a?.phase !== 'live') return gone(s, ctx)
      const app = coupled.couple(s.a.app, asked)
      if ('code' in app) {
        ctx.refuseCaller(app.code, app.reason)
        return s
      }
      ctx.reply({})
      return { ...s, a: { ...s.a, app } }
    },
    uncouple(s, asked, ctx) {
      if (s.a?.phase !== 'live') return gone(s, ctx)
      ctx.reply({})
      return { ...s, a: { ...s.a, app: coupled.uncouple(s.a.app, asked) } }
    },
    drains(s, _, ctx) {
      if (s.a?.phase !== 'live') return gone(s, ctx)
      ctx.reply({ ids: drains.drainsOf(s.a.app).map(({ id }) => id) })
      return s
    },
    drainReady(s, { id, at }, ctx) {
      saga.joinDrain(id, at, ctx)
      return s
    },
    drainOpened(s, { id, at }, ctx) {
      const found = s.a && drains.drainIn(s.a.app, id)
      // It leads elsewhere by now: that is under way too.
      if (s.a?.phase !== 'live' || found?.updatedAt !== at) return s
      const answered = settle(s, id, (caller) => ctx.answer(caller, found))
      return become(answered, drains.opened(s.a, id), ctx)
    },
    drainClosed: (s, { id }, ctx) => (s.a?.phase === 'live' ? become(s, drains.closed(s.a, id), ctx) : s),
    destroy(s, { by }, ctx) {
      if (s.a === null || s.a.phase === 'creating') return gone(s, ctx)
      const waiting = wait(s, 'destroy', ctx.caller)
      if (s.a.phase === 'destroying') return { ...s, waiting }
      const closing = [...(s.a.closing ?? []), ...drains.drainsOf(s.a.app).map(({ id }) => id)]
      const a: AppRecord = { ...s.a, phase: 'destroying', opening: [], closing }
      saga.destroyStep(a, saga.destroySteps[0], ctx)
      return become({ ...s, waiting }, a, ctx, by)
    },
    built(s, { buildpackDescription, slugBytes, stack, detected }, ctx) {
      if (s.a?.phase !== 'live') return s
      const { app } = s.a
      // As on Heroku, what the first build found holds from then on.
      const buildpacks = app.buildpacks.length > 0 || detected === undefined ? app.buildpacks : [detected]
      const facts = {
        buildpackDescription,
        slugBytes,
        stack,
        buildpacks,
      }
      return { ...s, a: { ...s.a, app: { ...s.a.app, ...facts, updatedAt: ctx.now } } }
    },
    stored(s, { repoBytes }) {
      if (s.a?.phase !== 'live' || s.a.app.repoBytes === repoBytes) return s
      return { ...s, a: { ...s.a, app: { ...s.a.app, repoBytes } } }
    },
    released(s, { at, stack = s.a?.app.stack }) {
      if (s.a === null || stack === undefined || (s.a.app.releasedAt ?? 0) >= at) return s
      return { ...s, a: { ...s.a, app: { ...s.a.app, releasedAt: at, stack } } }
    },
    claimed: (s, { name }, ctx) => claims.claimed(s, nameFrom(name), ctx),
    claimFailed: (s, { name, code, reason }, ctx) => claims.failed(s, nameFrom(name), code, reason, ctx),
    releasedName: (s, { name }, ctx) => claims.released(s, nameFrom(name), ctx),
    shown: (s, { at }, ctx) => (s.a === null || at <= s.a.shownAt ? s : become(s, shownAll(s.a, at), ctx)),
    stepped: (s, { step }, ctx) => stepped(s, step, ctx),
    stepFailed(s, { step, reason }, ctx) {
      ctx.log({ at: 'step_failed', step, reason })
      saga.later(ctx)
      return s
    },
    resume(s, _, ctx) {
      if (s.a === null || !unfinished(s.a)) return s
      saga.resume(s.a, ctx)
      // Reminders come once: the next one is set while there is something to do.
      saga.guard(null, s.a, ctx)
      return s
    },
    eventsTold: (s, { through }, ctx) => ({ ...s, telling: told(s.a?.events, s.telling, through, ctx) }),
    eventsFailed(s, { reason }, ctx) {
      ctx.log({ at: 'events_not_told', reason })
      return { ...s, telling: failed(s.telling, ctx) }
    },
    tellEvents: settledEvents,
  },
})

/** A change of certificates, on record and on its way to the routers; or its refusal. */
const kept = <T>(
  s: State,
  before: AppRecord,
  outcome: endpoints.Outcome<T>,
  by: Who | undefined,
  ctx: AskCtx<typeof App, T>,
): State => {
  if ('code' in outcome) {
    ctx.refuseCaller(outcome.code, outcome.reason)
    return s
  }
  const a = shown(before, outcome.change, ctx.now)
  saga.show(a, ctx)
  // Should it fail, the pair lies there sealed until the app goes.
  if (outcome.former !== null) ctx.run(Certificates.remove({ appId: ctx.self.key, pairId: outcome.former }))
  ctx.reply(outcome.answer)
  return become(s, a, ctx, by)
}

/** Who asked is answered once lines go where the drain leads now. */
const led = (s: State, outcome: drains.Outcome, ctx: AskCtx<typeof App, DrainView>): State => {
  if ('code' in outcome) {
    ctx.refuseCaller(outcome.code, outcome.reason)
    return s
  }
  const { a, drain } = outcome
  saga.openDrain(a, drain.id, ctx)
  return become({ ...s, waiting: wait(s, drain.id, ctx.caller) }, a, ctx)
}

const stepped = (s: State, step: string, ctx: Self): State => {
  if (s.a === null) return s
  if (s.a.phase === 'creating') return created(s, s.a, step, ctx)
  if (s.a.phase !== 'destroying' || s.a.releasing.length > 0) return s
  const left = (s.a.closing ?? []).slice(1)
  if (step === 'drains' && left.length > 0) {
    const a = { ...s.a, closing: left }
    saga.destroyStep(a, 'drains', ctx)
    return become(s, a, ctx)
  }
  const next = saga.destroySteps[saga.destroySteps.findIndex((one) => one === step) + 1]
  if (next !== undefined) {
    saga.destroyStep(s.a, next, ctx)
    return s
  }
  // Its record goes with its names: what is not told by then would never be.
  if (!isAllTold(s.a.events, s.telling)) {
    saga.later(ctx)
    return s
  }
  const a = saga.releaseAll(s.a)
  for (const name of a.releasing) saga.release(name, ctx)
  return become(s, a, ctx)
}

const created = (s: State, a: AppRecord, step: string, ctx: Self): State => {
  const next = saga.createSteps[saga.createSteps.findIndex((one) => one === step) + 1]
  if (next !== undefined) {
    saga.createStep(a, next, ctx)
    return s
  }
  const live: AppRecord = { ...a, phase: 'live', listing: 0, listed: 0 }
  saga.tellTeam(live, ctx)
  return become(
    settle(s, 'create', (caller) => ctx.answer(caller, live.app)),
    live,
    ctx,
  )
}

/**
 * What becomes of the names that an app claims, and of those that it gives back. A claim is on record before
 * it is made, and so is what it was for.
 */
import type { Caller } from '../../src/runtime/index.ts'
import * as access from './access.ts'
import * as drains from './drains.ts'
import * as logTokens from './log-tokens.ts'
import { isListed, nameText, sameName, shown, without, type AppRecord, type Name } from './record.ts'
import * as saga from './saga.ts'
import { become, type Self } from './saga.ts'
import { settle, wait } from '../waiting.ts'
import type { State } from './waiting.ts'

export const begin = (s: State, a: AppRecord, name: Name, caller: Caller, ctx: Self): State => {
  const next = { ...a, claiming: [...a.claiming, name] }
  saga.claim(next, name, ctx)
  return become({ ...s, waiting: wait(s, nameText(name), caller) }, next, ctx)
}

export const claimed = (s: State, name: Name, ctx: Self): State => {
  const claim = s.a?.claiming.find((other) => sameName(other, name))
  if (s.a === null || claim === undefined) return s
  const a = { ...s.a, claiming: without(s.a.claiming, name) }
  if (a.phase === 'creating') {
    saga.createStep(a, saga.createSteps[0], ctx)
    return become(s, a, ctx)
  }
  switch (name.kind) {
    case 'app':
      return renamed(s, a, claim, ctx)
    case 'host':
      return domainAdded(s, a, claim, ctx)
    case 'token':
      return logTokens.answered(become(s, a, ctx), ctx)
  }
}

const renamed = (s: State, a: AppRecord, name: Name, ctx: Self): State => {
  const former: Name = { kind: 'app', name: a.app.name }
  const named = shown({ ...a, releasing: [...a.releasing, former] }, { name: name.name }, ctx.now)
  const { a: shownNext, ids } = drains.renamed(named, ctx.now)
  const next = access.changed(shownNext, {}, [], ctx.now)
  if (isListed(a)) saga.list(next, ctx)
  saga.release(former, ctx)
  saga.show(next, ctx)
  for (const id of ids) saga.openDrain(next, id, ctx)
  return become(
    settle(s, nameText(name), (caller) => ctx.answer(caller, next.app)),
    next,
    ctx,
    name.by,
  )
}

const domainAdded = (s: State, a: AppRecord, name: Name, ctx: Self): State => {
  const at = { createdAt: ctx.now, updatedAt: ctx.now }
  const domain = { id: ctx.uuid(), hostname: name.name, cname: a.app.name, isPending: true, ...at }
  const next = shown(a, { domains: [...a.app.domains, domain] }, ctx.now)
  saga.show(next, ctx)
  return become(
    settle(s, nameText(name), (caller) => ctx.answer(caller, domain)),
    next,
    ctx,
    name.by,
  )
}

export const failed = (s: State, name: Name, code: string, reason: string, ctx: Self): State => {
  if (s.a === null || !s.a.claiming.some((other) => sameName(other, name))) return s
  if (code !== 'taken') {
    // A token is a secret.
    ctx.log({ at: 'claim_failed', name: name.kind === 'token' ? name.kind : nameText(name), reason })
    saga.later(ctx)
    return s
  }
  if (s.a.phase === 'creating') {
    const text = `Name ${name.name} is already taken`
    return become(
      settle(s, 'create', (caller) => ctx.refuse(caller, 'name_taken', text)),
      null,
      ctx,
    )
  }
  // Another app's uuid: it is not to be had, and the caller may try again.
  if (name.kind === 'token') {
    const a = logTokens.without(s.a, name.name)
    return logTokens.refused(become(s, a, ctx), ctx)
  }
  const [refusal, text] =
    name.kind === 'app'
      ? ['name_taken', `Name ${name.name} is already taken`]
      : ['hostname_taken', `${name.name} is currently in use by another app.`]
  const next = { ...s.a, claiming: without(s.a.claiming, name) }
  return become(
    settle(s, nameText(name), (caller) => ctx.refuse(caller, refusal, text)),
    next,
    ctx,
  )
}

export const released = (s: State, name: Name, ctx: Self): State => {
  if (s.a === null) return s
  const a = { ...s.a, releasing: without(s.a.releasing, name) }
  if (a.phase === 'destroying' && s.a.releasing.length > 0 && a.releasing.length === 0) {
    return become(
      settle(s, 'destroy', (caller) => ctx.answer(caller, a.app)),
      null,
      ctx,
    )
  }
  const claim = a.claiming.find((other) => sameName(other, name))
  if (claim !== undefined) saga.claim(a, claim, ctx)
  return become(s, a, ctx)
}

/**
 * Promotion: a saga that has each target release the source's slug, beside config vars of its own. Targets
 * succeed and fail one by one.
 *
 * A release is made for a promotion once, however often it is asked for. So every activation asks for what is
 * not known yet, and a promotion ends whatever dies on the way.
 */
import { actor, is, ref, type AskFailure, type Ctx, type Static } from '../src/runtime/index.ts'
import { Promotion, promotionShape, type PromotionTarget, type PromotionView } from './protocols/promotion.ts'
import { Releases } from './protocols/releases.ts'
import { slugShape } from './protocols/shapes.ts'

const recordSchema = is.obj({
  view: promotionShape,
  description: is.str,
  /** Null: every target that can has it. */
  slug: is.orNull(slugShape),
})
type Promoted = Static<typeof recordSchema>
/** `p` null: no such promotion. `asking`: targets of which an answer is on its way. */
type State = { readonly p: Promoted | null; readonly asking: ReadonlySet<string> }
type Self = Ctx<typeof Promotion>

const keptMs = 7 * 24 * 60 * 60_000
/** Until the formation has heard of the release, as `Releases.deploy` answers. */
const deployTimeoutMs = 20_000
const lookTimeoutMs = 5_000
/** Release commands are waited for, and what has failed is tried again. */
const againMs = 1_000
/** Wakes the actor should nothing else do so. */
const remindMs = 30_000

export const promotion = actor(Promotion, {
  mailbox: { capacity: 1_000, overflow: 'reject' },
  durable: {
    version: 1,
    schema: recordSchema,
    save: ({ p }: State) => p ?? undefined,
    load: (p): State => ({ p, asking: new Set() }),
  },
  init: (): State => ({ p: null, asking: new Set() }),
  awake: (s, ctx) => go(s, ctx),
  receive: {
    start(s, { pipelineId, source, slug, description, targets, by }, ctx) {
      if (s.p !== null) {
        ctx.reply(s.p.view)
        return s
      }
      const at = { createdAt: ctx.now, updatedAt: ctx.now }
      const begun = targets.map(({ appId, error }): PromotionTarget => {
        const status = error === null ? 'pending' : 'failed'
        return { appId, status, error, releaseId: null }
      })
      const view = { id: ctx.self.key, pipelineId, source, targets: begun, by, ...at }
      ctx.reply(view)
      ctx.remind('over', ctx.now + keptMs, { type: 'over' })
      return go({ ...s, p: { view, description, slug } }, ctx)
    },
    info(s, _, ctx) {
      if (s.p === null) ctx.refuseCaller('not_found', "Couldn't find that pipeline promotion.")
      else ctx.reply(s.p.view)
      return s
    },
    released(s, { appId, releaseId, status }, ctx) {
      const ends = { succeeded: 'succeeded', expired: 'succeeded', failed: 'failed' } as const
      const end = Object.hasOwn(ends, status) ? ends[status as keyof typeof ends] : 'pending'
      const error = end === 'failed' ? 'The release command failed.' : null
      return settled(s, appId, { releaseId, status: end, error }, ctx)
    },
    refused: (s, { appId, reason }, ctx) => settled(s, appId, { status: 'failed', error: reason }, ctx),
    missed(s, { appId, reason }, ctx) {
      ctx.log({ at: 'promotion_missed', app: appId, reason })
      return { ...s, asking: without(s.asking, appId) }
    },
    go: (s, _, ctx) => go(s, ctx),
    over: (): State => ({ p: null, asking: new Set() }),
  },
})

const isPending = ({ status }: PromotionTarget): boolean => status === 'pending'

const without = (all: ReadonlySet<string>, one: string): ReadonlySet<string> =>
  new Set([...all].filter((other) => other !== one))

/** Asks for what is not known: a release, or what became of it. */
const go = (s: State, ctx: Self): State => {
  const pending = s.p?.view.targets.filter(isPending) ?? []
  if (s.p === null || pending.length === 0) return s
  const { view, slug, description } = s.p
  for (const { appId, releaseId } of pending.filter((one) => !s.asking.has(one.appId))) {
    const failed = failedFor(appId)
    const ledger = ref(Releases, appId)
    if (releaseId !== null) {
      const find = { type: 'find', which: releaseId } as const
      ctx.ask(ledger, find, lookTimeoutMs, ({ release }) => releasedBy(appId, release), failed)
    } else if (slug !== null) {
      const deploy = { type: 'deploy', slug, description, by: view.by, promotion: view.id } as const
      ctx.ask(ledger, deploy, deployTimeoutMs, (release) => releasedBy(appId, release), failed)
    }
  }
  ctx.after('go', againMs, { type: 'go' })
  ctx.remind('go', ctx.now + remindMs, { type: 'go' })
  return { ...s, asking: new Set(pending.map(({ appId }) => appId)) }
}

const releasedBy = (appId: string, release: { readonly id: string; readonly status: string }) =>
  ({ type: 'released', appId, releaseId: release.id, status: release.status }) as const

const failedFor =
  (appId: string) =>
  ({ kind, reason }: AskFailure) =>
    ({ type: kind === 'refused' ? 'refused' : 'missed', appId, reason }) as const

const settled = (before: State, appId: string, change: Partial<PromotionTarget>, ctx: Self): State => {
  const s = { ...before, asking: without(before.asking, appId) }
  const target = s.p?.view.targets.find((one) => one.appId === appId)
  if (s.p === null || target === undefined || !isPending(target)) return s
  const next = { ...target, ...change }
  if (next.status === target.status && next.releaseId === target.releaseId) return s
  const targets = s.p.view.targets.map((one) => (one === target ? next : one))
  const view: PromotionView = { ...s.p.view, targets, updatedAt: ctx.now }
  const isOpen = targets.some((one) => isPending(one) && one.releaseId === null)
  if (!targets.some(isPending)) {
    ctx.cancel('go')
    ctx.forget('go')
  }
  return { ...s, p: { ...s.p, view, slug: isOpen ? s.p.slug : null } }
}

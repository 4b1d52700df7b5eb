/**
 * Build: one compilation of one app's source, from the push to the release it makes.
 *
 * Owns its own record: pending until the release is in the ledger or something failed; both are final.
 * The compilation itself lives and dies with this activation: a build found pending by a new one was lost
 * with its host, and says so rather than leave a push hanging.
 */
import { actor, is, ref, type Caller, type Ctx, type Static } from '../src/runtime/index.ts'
import { Builder } from './effects/builder.ts'
import { App } from './protocols/app.ts'
import { Build, buildShape, type BuildView } from './protocols/build.ts'
import { Releases } from './protocols/releases.ts'
import type { Slug } from './protocols/shapes.ts'
import { say } from './say.ts'

const savedShape = is.obj({ view: buildShape, appName: is.str, sourceDir: is.str, waiting: is.arr(is.json) })
type Saved = Static<typeof savedShape>
type State = {
  readonly view?: BuildView
  readonly appName: string
  readonly sourceDir: string
  /** Asked `finished` and not yet answered. */
  readonly waiting: readonly Caller[]
}
type Self = Ctx<typeof Build>

const askTimeoutMs = 15_000
const commitDigits = 8

export const build = actor(Build, {
  mailbox: { capacity: 256, overflow: 'reject' },
  init: (): State => ({ appName: '', sourceDir: '', waiting: [] }),
  durable: {
    version: 1,
    schema: savedShape,
    save: (s: State): Saved | undefined => s.view && { ...s, view: s.view, waiting: [...s.waiting] },
    load: (saved): State => ({ ...saved, waiting: saved.waiting as Caller[] }),
  },
  awake: (s, ctx) =>
    s.view?.status === 'pending' ? fail(s, 'host_lost', 'The build was lost with its host', ctx) : s,
  receive: {
    start(s, message, ctx) {
      if (s.view !== undefined) {
        ctx.reply(s.view)
        return s
      }
      const { appId, appName, version, sourceDir, by } = message
      const at = { createdAt: ctx.now, updatedAt: ctx.now }
      const none = { slugId: null, releaseId: null, releaseVersion: null }
      const view: BuildView = {
        id: ctx.self.key,
        appId,
        status: 'pending',
        version,
        by,
        buildpacks: [],
        stack: '',
        ...none,
        ...at,
      }
      say(ctx, appId, 'app', 'api', `Build started by user ${by.email}`)
      ctx.run(Builder.enlist({ appId, buildId: view.id }))
      ctx.ask(ref(App, appId), { type: 'info' }, askTimeoutMs, describe, (f) => lost('app', f.reason))
      ctx.reply(view)
      return { ...s, view, appName, sourceDir }
    },
    described(s, { buildpacks, stack }, ctx) {
      if (s.view?.status !== 'pending') return s
      ctx.ask(
        ref(Releases, s.view.appId),
        { type: 'current' },
        askTimeoutMs,
        ({ release }) => ({ type: 'configured', configId: release.configId }),
        (f) => lost('releases', f.reason),
      )
      return { ...s, view: { ...s.view, buildpacks, stack } }
    },
    configured(s, { configId }, ctx) {
      if (s.view?.status !== 'pending') return s
      const { id, appId, version, buildpacks, stack } = s.view
      const job = {
        buildId: id,
        appId,
        appName: s.appName,
        version,
        sourceDir: s.sourceDir,
        buildpacks,
        stack,
        configId,
      }
      ctx.run(
        Builder.compile(job),
        ({ slug }) => ({ type: 'compiled', slug }),
        (error) => ({ type: 'failed', code: error.code, reason: error.message }),
      )
      return s
    },
    compiled: (s, { slug }, ctx) => (s.view?.status === 'pending' ? deploy(s, s.view, slug, ctx) : s),
    released: (s, { releaseId, version }, ctx) =>
      s.view?.status === 'pending' ? succeed(s, s.view, { releaseId, releaseVersion: version }, ctx) : s,
    failed: (s, { code, reason }, ctx) => fail(s, code, reason, ctx),
    cancel(s, _, ctx) {
      if (s.view?.status === 'pending' && s.view.slugId === null)
        ctx.run(Builder.cancel({ buildId: s.view.id }))
      return s
    },
    info(s, _, ctx) {
      if (s.view === undefined) ctx.refuseCaller('not_found', "Couldn't find that build.")
      else ctx.reply(s.view)
      return s
    },
    finished(s, _, ctx) {
      if (s.view?.status === 'pending') return { ...s, waiting: [...s.waiting, ctx.caller] }
      if (s.view === undefined) ctx.refuseCaller('not_found', "Couldn't find that build.")
      else ctx.reply(s.view)
      return s
    },
  },
})

const describe = (app: { buildpacks: string[]; buildStack: string }) =>
  ({ type: 'described', buildpacks: app.buildpacks, stack: app.buildStack }) as const

const lost = (whom: string, reason: string) =>
  ({ type: 'failed', code: 'platform', reason: `no answer from ${whom}: ${reason}` }) as const

const deploy = (s: State, view: BuildView, slug: Slug, ctx: Self): State => {
  const description = `Deploy ${view.version.slice(0, commitDigits)}`
  ctx.ask(
    ref(Releases, view.appId),
    { type: 'deploy', slug, description, by: view.by },
    askTimeoutMs,
    (release) => ({ type: 'released', releaseId: release.id, version: release.version }),
    (f) => lost('releases', f.reason),
  )
  const { buildpackDescription, bytes, stack } = slug
  ctx.tell(ref(App, view.appId), { type: 'built', buildpackDescription, slugBytes: bytes, stack })
  return { ...s, view: { ...view, slugId: slug.id } }
}

type Released = { readonly releaseId: string; readonly releaseVersion: number }
const succeed = (s: State, view: BuildView, released: Released, ctx: Self): State => {
  say(ctx, view.appId, 'app', 'api', 'Build succeeded')
  const outcome = { version: released.releaseVersion }
  ctx.run(Builder.conclude({ buildId: view.id, appName: s.appName, outcome }))
  return finish(s, { ...view, ...released, status: 'succeeded' }, ctx)
}

const fail = (s: State, code: string, reason: string, ctx: Self): State => {
  if (s.view?.status !== 'pending') return s
  say(ctx, s.view.appId, 'app', 'api', 'Build failed -- check your build output')
  ctx.run(Builder.conclude({ buildId: s.view.id, appName: s.appName, outcome: { code, reason } }))
  ctx.log({ at: 'build-failed', build: s.view.id, code, reason })
  return finish(s, { ...s.view, status: 'failed' }, ctx)
}

const finish = (s: State, view: BuildView, ctx: Self): State => {
  const ended = { ...view, updatedAt: ctx.now }
  for (const caller of s.waiting) ctx.answer(caller, ended)
  return { ...s, view: ended, waiting: [] }
}

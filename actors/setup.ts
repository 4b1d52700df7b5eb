/**
 * Setup: an app that exists already gets what its source's app.json says: buildpacks, config vars, a build,
 * its formation, and the postdeploy command at the end.
 *
 * Only what became of it is durable. The work is this activation's alone: an activation that finds it pending
 * follows another that was lost in the middle, and nobody knows how far that came, so it has failed. Each
 * step is on record before it is taken, so that one which was only away for a while takes none after that.
 */
import { actor, ref, refAt, type AskFailure, type Ctx } from '../src/runtime/index.ts'
import { Setups } from './effects/setups.ts'
import { App } from './protocols/app.ts'
import { Build, Builds, type BuildArchive } from './protocols/build.ts'
import { Formation } from './protocols/formation.ts'
import { Releases } from './protocols/releases.ts'
import { Setup, setupShape, type Planned, type SetupView } from './protocols/setup.ts'
import { say } from './say.ts'

/** Of this activation. */
type Work = {
  readonly archive: BuildArchive
  readonly version: string
  readonly sourceDir: string
  readonly planned: Planned
}
type State = { readonly view: SetupView | null; readonly work: Work | null }
type Self = Ctx<typeof Setup>

const askTimeoutMs = 20_000
const watchTimeoutMs = 60_000
const keptMs = 7 * 24 * 3_600_000
const interrupted =
  'It was interrupted: its host went down, or another took over. Please destroy the app and set it up again.'
const nothing: Planned = {
  env: {},
  updates: [],
  buildpacks: [],
  stack: null,
  postdeploy: null,
  successUrl: null,
  addons: [],
}

export const setup = actor(Setup, {
  mailbox: { capacity: 64, overflow: 'reject' },
  durable: {
    version: 1,
    schema: setupShape,
    save: (s: State) => s.view ?? undefined,
    load: (view): State => ({ view, work: null }),
  },
  init: (): State => ({ view: null, work: null }),
  awake(s, ctx) {
    if (s.view?.status !== 'pending') return s
    const { build } = s.view
    if (build?.status === 'pending') ctx.tell(refAt(Build, build.id, build.host), { type: 'cancel' })
    return fail(s, interrupted, [], ctx)
  },
  receive: {
    start(s, { appId, appName, archive, version, stack, env, buildpacks, by }, ctx) {
      if (s.view !== null) {
        ctx.reply(s.view)
        return s
      }
      const at = { createdAt: ctx.now, updatedAt: ctx.now }
      const begun = { status: 'pending', failure: null, manifestErrors: [], build: null } as const
      const rest = { postdeploy: null, successUrl: null, by, ...at }
      const view: SetupView = { id: ctx.self.key, appId, appName, ...begun, manifestErrors: [], ...rest }
      ctx.reply(view)
      ctx.remind('over', ctx.now + keptMs, { type: 'over' })
      ctx.run(
        Setups.fetch({ setupId: ctx.self.key, archive, stack, env, buildpacks }),
        (found) => ({ type: 'fetched', ...found }),
        ({ code, message }) =>
          code === 'manifest'
            ? { type: 'failed', reason: 'app.json is not valid', errors: message.split('\n') }
            : { type: 'failed', reason: message, errors: [] },
      )
      return { view, work: { archive, version, sourceDir: '', planned: nothing } }
    },
    info(s, _, ctx) {
      if (s.view === null) ctx.refuseCaller('not_found', "Couldn't find that app setup.")
      else ctx.reply(s.view)
      return s
    },
    fetched(s, { sourceDir, planned }, ctx) {
      if (s.view === null || s.work === null) return s
      for (const plan of planned.addons)
        say(
          ctx,
          s.view.appId,
          'app',
          'api',
          `Add-on ${plan} of app.json is not attached: there are no add-ons`,
        )
      const { buildpacks, stack } = planned
      const change = { ...(buildpacks.length > 0 && { buildpacks }), ...(stack && { buildStack: stack }) }
      const described = () => ({ type: 'described' }) as const
      ctx.ask(ref(App, s.view.appId), { type: 'change', ...change }, askTimeoutMs, described, refused)
      const view = { ...s.view, successUrl: planned.successUrl, updatedAt: ctx.now }
      return { view, work: { ...s.work, sourceDir, planned } }
    },
    described(s, _, ctx) {
      if (s.view === null || s.work === null) return s
      const { appId, by } = s.view
      const configured = () => ({ type: 'configured' }) as const
      const patch = s.work.planned.env
      ctx.ask(ref(Releases, appId), { type: 'setConfig', patch, by }, askTimeoutMs, configured, refused)
      return { ...s, view: { ...s.view, updatedAt: ctx.now } }
    },
    configured(s, _, ctx) {
      if (s.view === null || s.work === null) return s
      const { appId, appName, by } = s.view
      const { version, sourceDir, archive } = s.work
      const buildId = ctx.uuid()
      const job = { appId, appName, version, sourceDir, archive, submodules: [], by }
      const begun = () => ({ type: 'building' }) as const
      ctx.ask(
        refAt(Builds, 'builds', ctx.host),
        { type: 'start', buildId, job },
        askTimeoutMs,
        begun,
        refused,
      )
      const build = { id: buildId, host: ctx.host, status: 'pending' } as const
      return { ...s, view: { ...s.view, build, updatedAt: ctx.now } }
    },
    building: watch,
    watch,
    built(s, { status }, ctx) {
      if (s.view === null || s.work === null || s.view.build === null) return s
      const next = { ...s, view: { ...s.view, build: { ...s.view.build, status }, updatedAt: ctx.now } }
      if (status !== 'succeeded') return fail(next, 'The build failed.', [], ctx)
      const { updates } = s.work.planned
      const scaled = () => ({ type: 'scaled' }) as const
      const scale = { type: 'scale', updates, by: s.view.by } as const
      ctx.ask(ref(Formation, s.view.appId), scale, askTimeoutMs, scaled, refused)
      return next
    },
    scaled(s, _, ctx) {
      if (s.view === null || s.work === null) return s
      const { postdeploy } = s.work.planned
      if (postdeploy === null) return succeed(s, ctx)
      const token = `setup${ctx.uuid().replaceAll('-', '')}`
      ctx.run(
        Setups.listen({ token }),
        (ended) => ({ type: 'ran', ...ended }),
        ({ message }) => ({ type: 'failed', reason: `postdeploy: ${message}`, errors: [] }),
      )
      const run = {
        type: 'run',
        // As `heroku run --exit-code` does: that line says how it ended.
        command: `${postdeploy} ; echo "\uFFFF heroku-command-exit-status: $?"`,
        env: {},
        attachToken: token,
        terminal: null,
        by: s.view.by,
      } as const
      ctx.ask(ref(Formation, s.view.appId), run, askTimeoutMs, () => ({ type: 'watch' }), refused)
      return { ...s, view: { ...s.view, updatedAt: ctx.now } }
    },
    ran(s, { output, exitCode }, ctx) {
      if (s.view === null || s.work === null) return s
      const next = { ...s, view: { ...s.view, postdeploy: { output, exitCode } } }
      return exitCode === 0
        ? succeed(next, ctx)
        : fail(next, `The postdeploy script ended with exit code ${exitCode}.`, [], ctx)
    },
    failed: (s, { reason, errors }, ctx) => fail(s, reason, errors, ctx),
    over: () => ({ view: null, work: null }),
  },
})

/** A build takes as long as it takes; one that nobody knows any more was lost. */
function watch(s: State, _: unknown, ctx: Self): State {
  if (s.view === null || s.work === null || s.view.build?.status !== 'pending') return s
  const { id, host } = s.view.build
  ctx.ask(
    refAt(Build, id, host),
    { type: 'finished' },
    watchTimeoutMs,
    ({ status }) => ({ type: 'built', status }),
    ({ kind }) => (kind === 'unknown' ? { type: 'watch' } : { type: 'built', status: 'failed' }),
  )
  return s
}

const refused = ({ reason }: AskFailure) => ({ type: 'failed', reason, errors: [] as string[] }) as const

const succeed = (s: State, ctx: Self): State => end(s, { status: 'succeeded' }, ctx)

const fail = (s: State, failure: string, errors: readonly string[], ctx: Self): State => {
  if (s.view?.status !== 'pending') return s
  ctx.log({ at: 'setup-failed', setup: ctx.self.key, reason: failure })
  const sourceDir = s.work?.sourceDir ?? ''
  if (sourceDir !== '') ctx.run(Setups.drop({ sourceDir }))
  const build = s.view.build && { ...s.view.build, status: ended(s.view.build.status) }
  return end(s, { status: 'failed', failure, manifestErrors: [...errors], build }, ctx)
}

const end = (s: State, what: Partial<SetupView>, ctx: Self): State =>
  s.view === null || s.view.status !== 'pending'
    ? s
    : { view: { ...s.view, ...what, updatedAt: ctx.now }, work: null }

/** Of a build that is not waited for any more. */
const ended = (status: 'pending' | 'succeeded' | 'failed') => (status === 'pending' ? 'failed' : status)

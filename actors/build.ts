/**
 * Build: one compilation of one app's source, from the push to the release it makes, on the host that was
 * pushed to.
 *
 * Owns its record: pending until the release is in the ledger or something failed; both are final, and on
 * record before anybody is told. The compilation lives and dies with this activation: what it leaves pending
 * is put right by the next life of Builds here, or by its age.
 */
import { actor, ref, refAt, stop, type AskFailure, type Caller, type Ctx } from '../src/runtime/index.ts'
import { Builder, type Outcome } from './effects/builder.ts'
import { App } from './protocols/app.ts'
import { Build, Builds, type BuildArchive, type BuildJob, type BuildView } from './protocols/build.ts'
import { Releases } from './protocols/releases.ts'
import type { Slug } from './protocols/shapes.ts'
import { say } from './say.ts'

type State = {
  readonly job: BuildJob
  readonly view: BuildView
  /** What `view` says is on record. */
  readonly onRecord: boolean
  /** What was compiled. */
  readonly slug: Slug | null
  /** The buildpack that the app is to keep. */
  readonly detected: string | undefined
  /** What its buildpack wants set before its release: on an app's first deploy. */
  readonly configVars: Readonly<Record<string, string>>
  /** Its release waits for its command. */
  readonly phase: Phase | null
  readonly tries: number
  /** The pusher went before there was anything to stop. */
  readonly unwanted: boolean
  /** It was said that others go first. */
  readonly isWaiting: boolean
  /** Asked `begun`, or `finished`, and not yet answered. */
  readonly beginning: readonly Caller[]
  readonly waiting: readonly Caller[]
}
/** `ok` null: it runs. Its output ends by itself, and is waited for a while. */
type Phase = Released & { readonly ok: boolean | null; readonly isShown: boolean }
type Released = { readonly releaseId: string; readonly releaseVersion: number }
type Self = Ctx<typeof Build>

const askTimeoutMs = 15_000
const commitDigits = 8
const againMsMin = 200
const againMsMax = 5_000
/** Some minutes without the store; then it is told without being on record. */
const triesMax = 40
const asksMax = 30
const askAgainMs = 500
const askPhaseMs = 500
/** Between two looks at whether it is this one's turn. */
const turnMs = 1_000
/** After the command's end its last lines are on their way. */
const showMsMax = 10_000
/** Who asks late is still answered. */
const overMs = 60_000
const callersMax = 16

const fresh = {
  onRecord: false,
  slug: null,
  detected: undefined,
  configVars: {},
  phase: null,
  tries: 0,
  unwanted: false,
  isWaiting: false,
  beginning: [],
  waiting: [],
}

export const build = actor(Build, {
  mailbox: { capacity: 256, overflow: 'reject' },
  init(job: BuildJob, ctx): State {
    const { appId, appName, version, by, archive } = job
    const at = { createdAt: ctx.now, updatedAt: ctx.now }
    const none = { slugId: null, releaseId: null, releaseVersion: null }
    const view: BuildView = {
      id: ctx.self.key,
      appId,
      appName,
      status: 'pending',
      version,
      by,
      buildpacks: [],
      stack: '',
      ...none,
      ...at,
      host: ctx.host,
      ...(archive && { archive: archiveView(archive) }),
    }
    say(ctx, appId, 'app', 'api', `Build started by user ${by.email}`)
    return keep({ ...fresh, job, view }, ctx)
  },
  receive: {
    begun(s, _, ctx) {
      if (s.onRecord) ctx.reply(s.view)
      return s.onRecord ? s : { ...s, beginning: [...s.beginning, ctx.caller].slice(-callersMax) }
    },
    kept(s, _, ctx) {
      if (s.view.status !== 'pending') return told(s, ctx)
      // A repeat of the first word on it.
      if (s.onRecord) return s
      askApp(s, ctx)
      for (const caller of s.beginning) ctx.answer(caller, s.view)
      return { ...s, onRecord: true, tries: 0, beginning: [] }
    },
    notKept(s, { reason }, ctx) {
      ctx.log({ at: 'build-not-kept', build: s.view.id, reason })
      if (s.tries >= triesMax)
        return s.view.status === 'pending' ? fail(s, 'platform', reason, ctx) : told(s, ctx)
      ctx.after('again', Math.min(againMsMax, againMsMin * 2 ** s.tries), { type: 'again' })
      return { ...s, tries: s.tries + 1 }
    },
    again: (s, _, ctx) => keep(s, ctx),
    described(s, { buildpacks, stack }, ctx) {
      if (s.view.status !== 'pending') return s
      askTurn(s, ctx)
      return { ...s, tries: 0, view: { ...s.view, buildpacks: s.job.buildpacks ?? buildpacks, stack } }
    },
    turn(s, { ahead }, ctx) {
      if (s.view.status !== 'pending') return s
      if (s.unwanted) return fail(s, 'unwanted', 'Build cancelled', ctx)
      if (ahead === 0) {
        askReleases(s, ctx)
        return { ...s, tries: 0 }
      }
      ctx.after('askAgain', turnMs, { type: 'askAgain', whom: 'turn' })
      if (!s.isWaiting) ctx.run(Builder.showWaiting({ buildId: s.view.id, ahead }))
      return { ...s, tries: 0, isWaiting: true }
    },
    configured(s, { configId, isFirst }, ctx) {
      if (s.view.status !== 'pending') return s
      if (s.unwanted) return fail(s, 'unwanted', 'Build cancelled', ctx)
      const { id, appId, version, buildpacks, stack } = s.view
      const { appName, sourceDir, submodules, archive } = s.job
      const source = { sourceDir, submodules, ...(archive && { archive }) }
      ctx.run(
        Builder.compile({
          buildId: id,
          appId,
          appName,
          version,
          ...source,
          buildpacks,
          stack,
          configId,
          isFirst,
        }),
        (made) => ({ type: 'compiled', ...made }),
        (error) => ({ type: 'failed', code: error.code, reason: error.message }),
      )
      return s
    },
    compiled: (s, made, ctx) => (s.view.status === 'pending' ? compiled(s, made, ctx) : s),
    configSet(s, _, ctx) {
      if (s.view.status === 'pending') askDeploy(s, ctx)
      return { ...s, configVars: {}, tries: 0 }
    },
    released(s, { releaseId, version, status }, ctx) {
      if (s.view.status !== 'pending') return s
      const made = { releaseId, releaseVersion: version }
      tellApp(s, ctx)
      if (status === 'pending') return waitForPhase(s, made, ctx)
      // Asked again, when its command was over.
      return succeed(s, made, status === 'failed' ? 'failed' : 'none', ctx)
    },
    shown: (s, _, ctx) => (s.phase === null ? s : endPhase(s, { ...s.phase, isShown: true }, ctx)),
    askPhase(s, _, ctx) {
      if (s.phase !== null && s.view.status === 'pending') askPhase(s.view.appId, s.phase.releaseId, ctx)
      return s
    },
    phase(s, { status }, ctx) {
      if (s.phase === null || s.view.status !== 'pending') return s
      if (status !== 'pending') return endPhase(s, { ...s.phase, ok: status === 'succeeded' }, ctx)
      ctx.after('askPhase', askPhaseMs, { type: 'askPhase' })
      return s
    },
    failed: (s, { code, reason }, ctx) => fail(s, code, reason, ctx),
    unheard(s, { whom, reason }, ctx) {
      if (s.view.status !== 'pending') return s
      if (s.tries >= asksMax) return fail(s, 'platform', `no answer from ${whom}: ${reason}`, ctx)
      ctx.after('askAgain', askAgainMs, { type: 'askAgain', whom })
      return { ...s, tries: s.tries + 1 }
    },
    releaseBusy(s, _, ctx) {
      const whom = hasVars(s) ? 'config' : 'deploy'
      if (s.view.status === 'pending') ctx.after('askAgain', askAgainMs, { type: 'askAgain', whom })
      return s
    },
    askAgain(s, { whom }, ctx) {
      if (s.view.status !== 'pending') return s
      if (whom === 'app') askApp(s, ctx)
      else if (whom === 'turn') askTurn(s, ctx)
      else if (whom === 'releases') askReleases(s, ctx)
      else if (whom === 'config') askConfig(s, ctx)
      else askDeploy(s, ctx)
      return s
    },
    cancel(s, _, ctx) {
      if (s.view.status === 'pending' && s.view.slugId === null)
        ctx.run(Builder.cancel({ buildId: s.view.id }))
      return { ...s, unwanted: true }
    },
    finished(s, _, ctx) {
      if (isOver(s)) {
        ctx.reply(s.view)
        return s
      }
      return { ...s, waiting: [...s.waiting, ctx.caller].slice(-callersMax) }
    },
    over: () => stop('normal'),
  },
})

const archiveView = ({ url, checksum, description }: BuildArchive): NonNullable<BuildView['archive']> => ({
  url,
  checksum,
  description,
})

const describe = (app: { buildpacks: string[]; buildStack: string }) =>
  ({ type: 'described', buildpacks: app.buildpacks, stack: app.buildStack }) as const

const askApp = (s: State, ctx: Self): void =>
  ctx.ask(ref(App, s.job.appId), { type: 'info' }, askTimeoutMs, describe, (f) => unanswered('app', f))

const askTurn = (s: State, ctx: Self): void =>
  ctx.ask(
    refAt(Builds, 'builds', ctx.host),
    { type: 'turn', buildId: s.view.id },
    askTimeoutMs,
    ({ ahead }) => ({ type: 'turn', ahead }),
    (f) => unanswered('turn', f),
  )

const askReleases = (s: State, ctx: Self): void =>
  ctx.ask(
    ref(Releases, s.view.appId),
    { type: 'current' },
    askTimeoutMs,
    ({ release }) => ({ type: 'configured', configId: release.configId, isFirst: release.slug === null }),
    (f) => unanswered('releases', f),
  )

type Whom = 'app' | 'turn' | 'releases' | 'config' | 'deploy'

/** Owners move when hosts come, go or change their bus server: a moment later somebody answers. */
const unanswered = (whom: Whom, failure: AskFailure) => {
  const { kind, reason } = failure
  // The command of an earlier release runs: this one is made when it is over.
  if (kind === 'refused' && failure.code === 'conflict') return { type: 'releaseBusy' } as const
  if (kind === 'refused' && failure.code === 'superseded')
    return { type: 'failed', code: 'superseded', reason } as const
  return kind === 'refused'
    ? ({ type: 'failed', code: 'platform', reason: `no answer from ${whom}: ${reason}` } as const)
    : ({ type: 'unheard', whom, reason } as const)
}

const isOver = (s: State): boolean => s.view.status !== 'pending' && s.onRecord

/** Puts what is known on record; asked for again until it is. */
const keep = (s: State, ctx: Self): State => {
  ctx.run(
    Builder.keep({ view: s.view, sourceDir: s.job.sourceDir }),
    () => ({ type: 'kept' }),
    ({ message }) => ({ type: 'notKept', reason: message }),
  )
  return s
}

type Made = {
  readonly slug: Slug
  readonly buildpacks?: readonly string[] | undefined
  readonly detected?: string | undefined
  readonly configVars?: Readonly<Record<string, string>> | undefined
}

const compiled = (s: State, { slug, buildpacks, detected, configVars = {} }: Made, ctx: Self): State => {
  const view = { ...s.view, slugId: slug.id, buildpacks: [...(buildpacks ?? s.view.buildpacks)] }
  const next = { ...s, slug, detected, configVars, tries: 0, view }
  yieldTurn(next, ctx)
  if (hasVars(next)) askConfig(next, ctx)
  else askDeploy(next, ctx)
  return next
}

/** Once it is released: a build that may not release says nothing of the app. */
const tellApp = ({ view, slug, detected }: State, ctx: Self): void => {
  if (slug === null) return
  const { buildpackDescription, bytes, stack } = slug
  const facts = { buildpackDescription, slugBytes: bytes, stack, ...(detected ? { detected } : {}) }
  ctx.tell(ref(App, view.appId), { type: 'built', ...facts })
}

const yieldTurn = ({ view }: State, ctx: Self): void =>
  ctx.tell(refAt(Builds, 'builds', ctx.host), { type: 'yield', buildId: view.id })

const hasVars = ({ configVars }: State): boolean => Object.keys(configVars).length > 0

/** Asked again after an unknown outcome: vars that are set already make no release. */
const askConfig = ({ view, configVars }: State, ctx: Self): void =>
  ctx.ask(
    ref(Releases, view.appId),
    { type: 'setConfig', patch: { ...configVars }, by: view.by, build: view.id },
    askTimeoutMs,
    () => ({ type: 'configSet' }),
    (f) => unanswered('config', f),
  )

const askDeploy = ({ view, slug }: State, ctx: Self): void => {
  if (slug === null) return
  // Without a version of its own it is known by the build.
  const description = `Deploy ${(view.version || view.id).slice(0, commitDigits)}`
  ctx.ask(
    ref(Releases, view.appId),
    { type: 'deploy', slug, description, by: view.by, build: view.id },
    askTimeoutMs,
    ({ id, version, status }) => ({ type: 'released', releaseId: id, version, status }),
    (f) => unanswered('deploy', f),
  )
}

/** Its output is the build's until the command has ended: whatever comes of it, the build has succeeded. */
const waitForPhase = (s: State, made: Released, ctx: Self): State => {
  const { releaseId, releaseVersion: version } = made
  const { id: buildId, appId } = s.view
  const shown = { type: 'shown' } as const
  ctx.run(
    Builder.showRelease({ buildId, appName: s.job.appName, version, releaseId }),
    () => shown,
    () => shown,
  )
  askPhase(appId, releaseId, ctx)
  return { ...s, phase: { ...made, ok: null, isShown: false } }
}

const askPhase = (appId: string, which: string, ctx: Self): void =>
  ctx.ask(
    ref(Releases, appId),
    { type: 'find', which },
    askTimeoutMs,
    ({ release }) => ({ type: 'phase', status: release.status }),
    // The app is gone, or nobody answers now: the record of the build says in the end how it stands.
    ({ kind }) => ({ type: 'phase', status: kind === 'refused' ? 'failed' : 'pending' }),
  )

const endPhase = (s: State, phase: Phase, ctx: Self): State => {
  const next = { ...s, phase }
  if (phase.ok === null || s.view.status !== 'pending') return next
  if (phase.isShown) return succeed(next, phase, phase.ok ? 'succeeded' : 'failed', ctx)
  ctx.after('shown', showMsMax, { type: 'shown' })
  return next
}

const succeed = (
  s: State,
  { releaseId, releaseVersion }: Released,
  phase: 'none' | 'succeeded' | 'failed',
  ctx: Self,
): State => {
  const released = { releaseId, releaseVersion }
  say(ctx, s.view.appId, 'app', 'api', 'Build succeeded')
  conclude(s, { version: releaseVersion, phase }, ctx)
  return finish(s, { ...s.view, ...released, status: 'succeeded' }, ctx)
}

const fail = (s: State, code: string, reason: string, ctx: Self): State => {
  if (s.view.status !== 'pending') return s
  say(ctx, s.view.appId, 'app', 'api', 'Build failed -- check your build output')
  conclude(s, { code, reason }, ctx)
  ctx.log({ at: 'build-failed', build: s.view.id, code, reason })
  return finish(s, { ...s.view, status: 'failed' }, ctx)
}

const conclude = ({ view, job }: State, outcome: Outcome, ctx: Self): void => {
  const { id: buildId, appId, version: sourceVersion } = view
  const isPush = job.archive === undefined
  ctx.run(Builder.conclude({ buildId, appId, appName: job.appName, sourceVersion, isPush, outcome }))
}

const finish = (s: State, view: BuildView, ctx: Self): State => {
  ctx.cancel('again')
  yieldTurn(s, ctx)
  ctx.tell(ref(Releases, view.appId), { type: 'endBuild', buildId: view.id })
  return keep({ ...s, view: { ...view, updatedAt: ctx.now }, onRecord: false, tries: 0 }, ctx)
}

const told = (s: State, ctx: Self): State => {
  for (const caller of [...s.beginning, ...s.waiting]) ctx.answer(caller, s.view)
  ctx.after('over', overMs, { type: 'over' })
  return { ...s, onRecord: true, beginning: [], waiting: [] }
}

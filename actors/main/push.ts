/**
 * A push, from git's request to its last word: which app and repository, the build that its hook waits for,
 * and the durable copy of the repository that is made before git is told that its push was taken.
 */
import { mkdir, mkdtemp } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { changes, checkoutCommit, commitTime, isWhole } from '../../src/git/checkout.ts'
import { hookServer, type HookAnswer, type HookServer, type Push } from '../../src/git/hook-server.ts'
import { serveGit } from '../../src/git/serve.ts'
import { isZero, judge } from '../../src/git/updates.ts'
import type { OutputHub } from '../../src/output/hub.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Objects, Store } from '../../src/ports/store.ts'
import { removeTree } from '../../src/slug/remove-tree.ts'
import type { Submodule } from '../../src/slug/submodules.ts'
import * as texts from '../../src/slug/texts.ts'
import { setTimes } from '../../src/slug/times.ts'
import { refAt } from '../../src/runtime/index.ts'
import { AskFailed } from '../../src/runtime/errors.ts'
import type { Node } from '../../src/runtime/node.ts'
import { Build, Builds, type BuildJob, type BuildView } from '../protocols/build.ts'
import type { Who } from '../protocols/shapes.ts'
import { openRepositories, type Prepared } from './repositories.ts'
import { refsMax } from './repository-record.ts'

export type PushDeps = {
  readonly home: string
  readonly hub: OutputHub
  readonly objects: Objects
  readonly store: Store
  readonly log: Log
  readonly now: () => number
  readonly uuid: () => string
  /** What is stored of an app's repository now, in bytes. */
  readonly kept: (appId: string, bytes: number) => void
  /** Starts the build and resolves when it has ended. */
  readonly build: (buildId: string, job: BuildJob, cancelled: AbortSignal) => Promise<BuildView>
}
export type GitApp = { readonly id: string; readonly name: string }
export type GitFace = {
  /**
   * One request of a git client, for an app that the user may push to. `pathInfo` is what follows
   * `<app>.git`.
   * @returns the version of the release that it made, if it did
   */
  serve(
    request: IncomingMessage,
    response: ServerResponse,
    app: GitApp,
    user: Who,
    pathInfo: string,
  ): Promise<number | null>
  /** Empties an app's repository. */
  reset(appId: string): Promise<void>
  close(): Promise<void>
}

type Going = {
  readonly app: GitApp
  readonly by: Who
  accepted?: 'main' | 'master'
  taken: boolean
  /** The version that its build released. */
  release: number | null
  /** What it brings, stored already. */
  prepared?: Prepared | undefined
}

// Heroku refuses a second build while one runs; the text is ours, its form Heroku's.
const busyText =
  ' !     Push rejected, another build is in progress.\n !     Try again when it has finished.\n'

// Heroku's words.
const shallowText =
  ' !     Push rejected, source repository is a shallow clone. Unshallow it with `git fetch --all --unshallow` ' +
  'and try pushing again.\n'
const tooManyRefs = (count: number): string =>
  ` !     Push rejected, the repository would have ${count} branches and tags (max is ${refsMax}).\n`
// Control characters would act on the pusher's terminal.
const unknownOption = (option: string): string =>
  ` !     Warning: push options have no effect here: ${option.slice(0, 100).replaceAll(/\p{Cc}/gu, '?')}\n`

export const openGitFace = async (deps: PushDeps): Promise<GitFace> => {
  const { home, hub, log } = deps
  const going = new Map<string, Going>()
  const building = new Set<string>()
  const repositories = await openRepositories({
    ...deps,
    folder: join(home, 'git'),
    onError: (app, cause) => log({ at: 'repository-upkeep', app, reason: reasonOf(cause) }),
  })

  const pushed = async (push: Push, answer: HookAnswer): Promise<number> => {
    const session = going.get(push.push)
    if (session === undefined) {
      answer.write('!\tPush rejected, it did not come through the platform.\n')
      return 1
    }
    for (const option of push.options) answer.write(unknownOption(option))
    const verdict = judge(push.updates)
    if (verdict.kind !== 'build') {
      answer.write(verdict.text)
      session.taken = verdict.kind === 'skip'
      return session.taken ? 0 : 1
    }
    const refs = repositories.countOf(session.app.id) + push.updates.filter(({ from }) => isZero(from)).length
    if (refs > refsMax) {
      answer.write(tooManyRefs(refs))
      return 1
    }
    if (building.has(session.app.id)) {
      answer.write(busyText)
      return 1
    }
    building.add(session.app.id)
    try {
      if (
        !(await isWhole(push.repository, verdict.commit, { env: push.quarantine, signal: answer.signal }))
      ) {
        answer.write(shallowText)
        return 1
      }
      session.taken = await storeAndBuild(session, push, verdict, answer)
      if (session.taken) session.accepted = verdict.branch
      return session.taken ? 0 : 1
    } finally {
      building.delete(session.app.id)
    }
  }

  /** What cannot be stored meanwhile is stored when the push has been taken, or it is not acknowledged. */
  const storeAndBuild = async (
    session: Going,
    push: Push,
    source: Parameters<typeof buildPush>[2],
    answer: HookAnswer,
  ): Promise<boolean> => {
    const tips = push.updates.map(({ to }) => to).filter((id) => !isZero(id))
    const run = { env: push.quarantine }
    const preparing = repositories.prepare(session.app.id, tips, run).catch(() => undefined)
    try {
      return await buildPush(session, push, source, answer)
    } finally {
      session.prepared = await preparing
    }
  }

  const buildPush = async (
    session: Going,
    push: Push,
    { commit, previous }: { readonly commit: string; readonly previous?: string },
    answer: HookAnswer,
  ): Promise<boolean> => {
    const { app, by } = session
    const run = { env: push.quarantine, signal: answer.signal }
    const buildId = deps.uuid()
    await mkdir(join(home, 'builds'), { recursive: true, mode: 0o700 })
    const sourceDir = await mkdtemp(join(home, 'builds', 'source-'))
    if (previous !== undefined) {
      const { paths, tree } = await changes(push.repository, previous, commit, run).catch(() => ({
        paths: 0,
        tree: '',
      }))
      if (tree !== '') answer.write(texts.updatedPaths(paths, tree))
    }
    answer.write(texts.compressingSource)
    let submodules: Submodule[]
    try {
      submodules = await checkoutCommit(push.repository, commit, sourceDir, run)
      await setTimes(sourceDir, await commitTime(push.repository, commit, run))
    } catch (error) {
      answer.write(texts.checkoutFailed(error instanceof Error ? error.message : 'the commit cannot be read'))
      await removeTree(sourceDir)
      return false
    }
    hub.open(buildId)
    const ended = new Promise<void>((resolve) => {
      hub.watch(buildId, { onText: (text) => answer.write(text), onEnd: resolve })
    })
    const job = { appId: app.id, appName: app.name, version: commit, sourceDir, submodules, by }
    try {
      const view = await deps.build(buildId, job, answer.signal)
      await Promise.race([ended, aborted(answer.signal)])
      session.release = view.releaseVersion
      return view.status === 'succeeded'
    } catch (error) {
      // It was never begun: nobody else clears up after it.
      if (!(error instanceof AskFailed) || error.kind !== 'refused') throw error
      answer.write(error.code === 'busy' ? busyText : texts.checkoutFailed(error.reason))
      hub.end(buildId)
      await removeTree(sourceDir)
      return false
    }
  }

  const hooks: HookServer = await hookServer(join(home, 'run', 'push.sock'), pushed, (cause) =>
    log({ at: 'push-hook-failed', reason: reasonOf(cause) }),
  )

  return {
    serve: async (request, response, app, user, pathInfo) => {
      const push = deps.uuid()
      const session: Going = { app, by: user, taken: false, release: null }
      going.set(push, session)
      try {
        await repositories.use(app.id, (repository) =>
          serveGit(request, response, {
            repository,
            pathInfo,
            env: { ...hooks.env, MANIFOLD_PUSH_ID: push },
            // Not taken: refused, or the empty request by which git asks whether it may send more.
            beforeEnd: async () => {
              if (!session.taken) return
              await repositories.keep(app.id, session.accepted, session.prepared)
              deps.kept(app.id, repositories.bytesOf(app.id))
            },
            onError: (line) => log({ at: 'git', app: app.name, line }),
          }),
        )
        return session.release
      } finally {
        going.delete(push)
        if (!session.taken && session.prepared !== undefined) await repositories.discard(session.prepared)
      }
    },
    reset: async (appId) => {
      await repositories.reset(appId)
      deps.kept(appId, 0)
    },
    close: async () => {
      await hooks.close()
      await repositories.close()
    },
  }
}

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : 'unknown')

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })

const buildTimeoutMs = 30_000
const waitTimeoutMs = 60_000

/**
 * Starts a build on this host, where the source is: asked again until it has ended, told when the pusher is
 * gone.
 */
export const buildThrough =
  (node: Pick<Node, 'ask' | 'tell' | 'host'>): PushDeps['build'] =>
  async (buildId, job, cancelled) => {
    const build = refAt(Build, buildId, node.host)
    const cancel = (): void => node.tell(build, { type: 'cancel' })
    cancelled.addEventListener('abort', cancel, { once: true })
    await node.ask(
      refAt(Builds, 'builds', node.host),
      { type: 'start', buildId, job },
      { timeoutMs: buildTimeoutMs },
    )
    // Before there was one to tell.
    if (cancelled.aborted) cancel()
    for (;;) {
      try {
        return await node.ask(build, { type: 'finished' }, { timeoutMs: waitTimeoutMs })
      } catch (error) {
        // A build takes as long as it takes; only when nobody is there any more it was lost.
        if (!(error instanceof AskFailed) || error.kind !== 'unknown') throw error
      }
    }
  }

/**
 * Performs Builder: compiles in the sandbox, keeps the slug in the object store by its sum, and says
 * everything to the build's output stream in Heroku's words.
 */
import { chmod, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { builtinNames, fallbackNames } from '../../../config/buildpacks.ts'
import { EffectFailed, type Effects } from '../../../src/ports/effects.ts'
import type { Objects, Store } from '../../../src/ports/store.ts'
import type { OutputHub } from '../../../src/output/hub.ts'
import { compile, compileLimits } from '../../../src/slug/compile.ts'
import { BuildFailure } from '../../../src/slug/failure.ts'
import type { Registry } from '../../../src/slug/registry.ts'
import type { Mount, Sandbox } from '../../../src/slug/sandbox.ts'
import type { Submodule } from '../../../src/slug/submodules.ts'
import { readInside } from '../../../src/slug/source.ts'
import { removeTree } from '../../../src/slug/remove-tree.ts'
import * as texts from '../../../src/slug/texts.ts'
import { buildIn } from '../../protocols/build-record.ts'
import type { BuildArchive } from '../../protocols/build.ts'
import type { LostBuilds } from '../../lost-builds.ts'
import type { Slug } from '../../protocols/shapes.ts'
import { slugsPrefix } from '../../protocols/slug-record.ts'
import type { Outcome } from '../builder.ts'
import { checkoutArchive } from './build-archive.ts'
import { cacheOf } from './build-cache.ts'
import { performBuildRecords } from './build-records.ts'
import type { TellBuild } from './events.ts'
import { asEffectFailure } from './names.ts'
import { openSlugStore } from './slug-store.ts'
import type { Vars, Vault } from './vault.ts'

export type BuilderDeps = {
  /** Folders: `builds/` for work, `cache/<appId>/`, `buildpacks/`, `git/<appId>.git`. Absolute. */
  readonly home: string
  /** Of a build that begins now on that stack. Throws EffectFailed. */
  readonly sandboxOf: (stack: string) => Sandbox
  readonly buildpacks: Registry
  readonly platform: { readonly env: Readonly<Record<string, string>>; readonly mounts: readonly Mount[] }
  readonly vault: Vault
  readonly objects: Objects
  /**
   * Takes over the compiled tree as the unpacked slug of that sum on this host; false when it cannot. `file`
   * is the packed slug, which other hosts may want.
   */
  readonly seed: (sha256: string, tree: string, file: string) => Promise<boolean>
  readonly store: Store
  readonly hub: OutputHub
  /** What the command of that release says; undefined: nothing yet. */
  readonly readOutput: (
    releaseId: string,
    reader: { readonly onText: (text: string) => void; readonly onEnd: () => void },
  ) => Promise<{ readonly close: () => void } | undefined>
  readonly appUrl: (appName: string) => string
  readonly isGone: (host: string) => boolean
  readonly lost: Pick<LostBuilds, 'settle'>
  readonly told: TellBuild
  readonly now: () => number
  readonly uuid: () => string
}

type CompileArgs = {
  readonly buildId: string
  readonly appId: string
  readonly appName: string
  readonly version: string
  readonly sourceDir: string
  readonly submodules: readonly Submodule[]
  readonly archive?: BuildArchive
  readonly buildpacks: readonly string[]
  readonly stack: string
  readonly configId: string
  readonly isFirst: boolean
}
type Made = {
  readonly slug: Slug
  readonly buildpacks: string[]
  readonly detected?: string
  readonly configVars: Vars
}
type ConcludeArgs = {
  readonly buildId: string
  readonly appId: string
  readonly appName: string
  readonly sourceVersion: string
  readonly isPush: boolean
  readonly outcome: Outcome
}

const outputPollMs = 200

export const slugObject = (sha256: string): string => `slug/${sha256}`

export const performBuilder = (deps: BuilderDeps): Effects => {
  const { home, hub, store, objects } = deps
  const cache = cacheOf({ folder: join(home, 'cache'), store })

  const running = new Map<string, AbortController>()

  const compileSlug = async (args: CompileArgs, cancelled: AbortSignal): Promise<Made> => {
    const { buildId, appId, version, stack } = args
    const workDir = join(home, 'builds', buildId)
    const slugFile = join(workDir, 'slug.tar.zst')
    const sandbox = deps.sandboxOf(stack)
    const kept = openSlugStore(objects, slugObject)
    try {
      const config = await deps.vault.open(appId, args.configId)
      const compiled = await compile({
        sandbox,
        workDir,
        cacheDir: await cache.current(appId),
        token: buildId.slice(0, 8),
        stack,
        sourceVersion: version,
        requestId: buildId,
        config,
        platform: deps.platform,
        onOutput: (text) => hub.write(buildId, text),
        checkout: async (into) => {
          const from =
            args.archive === undefined || args.sourceDir !== ''
              ? args.sourceDir
              : await checkoutArchive(
                  { ...deps, sandbox, folder: join(workDir, 'source') },
                  args.archive,
                  cancelled,
                )
          await moveSource(from, into)
        },
        submodules: args.submodules,
        slugFile,
        onSlug: kept.write,
        buildpacks: args.buildpacks,
        defaults: builtinNames,
        fallbacks: fallbackNames,
        findNamed: async (name) => (await deps.buildpacks.find(name))?.source,
        buildpackStore: join(home, 'buildpacks'),
        signal: cancelled,
      }).catch(async (error: unknown) => {
        const isUnknown = error instanceof BuildFailure && error.code === 'NO_LANGUAGE'
        const file = isUnknown ? await imageFile(join(workDir, 'app')) : undefined
        if (file !== undefined) hub.write(buildId, texts.noImages(file))
        throw error
      })
      // Both over before the folder is cleared away: a tree half cleared must not be moved into place.
      const [stored] = await Promise.allSettled([
        kept.end(),
        deps.seed(compiled.sha256, compiled.appDir, slugFile),
      ])
      if (stored.status === 'rejected') throw asEffectFailure(stored.reason)
      if (stored.value !== compiled.sha256)
        throw new EffectFailed('slug_changed', 'the slug changed while it was stored')
      if (compiled.bytes > compileLimits.slugBytesSoft)
        hub.write(buildId, texts.largeSlug(compiled.bytes, compileLimits.slugBytesSoft))
      if (args.isFirst && compiled.addons.length > 0) hub.write(buildId, texts.addonsWanted(compiled.addons))
      const { sha256, bytes, processTypes, buildpackDescription, buildpacks, detected } = compiled
      return {
        buildpacks: [...buildpacks],
        ...(detected === undefined ? {} : { detected }),
        configVars: args.isFirst ? without(compiled.configVars, config) : {},
        slug: {
          id: deps.uuid(),
          sha256,
          bytes,
          stack,
          commit: version,
          description: '',
          processTypes: { ...processTypes },
          buildpackDescription,
          createdAt: deps.now(),
        },
      }
    } finally {
      kept.drop()
      await removeTree(workDir)
      if (args.sourceDir !== '') await removeTree(args.sourceDir)
    }
  }

  const wasBuilt = async ({ buildId, appId, sourceVersion }: ConcludeArgs): Promise<boolean> =>
    sourceVersion !== '' &&
    (await store.list(`builds/${appId}/`))
      .map(({ value }) => buildIn(value))
      .some((build) => build !== undefined && build.id !== buildId && build.version === sourceVersion)

  return {
    ...performBuildRecords({
      ...deps,
      begun: (buildId) => hub.open(buildId),
      ended: (buildId, words) => {
        hub.write(buildId, words)
        hub.end(buildId)
      },
    }),
    'builder.compile': async (args: CompileArgs, cancelled: AbortSignal) => {
      const own = new AbortController()
      running.set(args.buildId, own)
      try {
        return await compileSlug(args, AbortSignal.any([cancelled, own.signal]))
      } catch (error) {
        if (!(error instanceof BuildFailure)) throw asEffectFailure(error)
        hub.write(args.buildId, error.text)
        throw new EffectFailed(error.code, error.message, { cause: error })
      } finally {
        running.delete(args.buildId)
      }
    },
    'builder.showWaiting': async ({ buildId, ahead }: { buildId: string; ahead: number }) =>
      hub.write(buildId, texts.waiting(ahead)),
    'builder.cancel': async ({ buildId }: { buildId: string }) => running.get(buildId)?.abort(),
    'builder.showRelease': async (
      {
        buildId,
        appName,
        version,
        releaseId,
      }: { buildId: string; appName: string; version: number; releaseId: string },
      cancelled: AbortSignal,
    ) => {
      const released = texts.released(version, deps.appUrl(appName))
      hub.write(buildId, texts.launching + texts.releaseDeclared + released + texts.verified)
      hub.write(buildId, texts.releaseRunning)
      const { promise: ended, resolve } = Promise.withResolvers<void>()
      const reader = { onText: (text: string) => hub.write(buildId, text), onEnd: resolve }
      cancelled.addEventListener('abort', () => resolve(), { once: true })
      // Its first line makes it; when the build has been concluded without one, there is none.
      for (;;) {
        if (!hub.isOpen(buildId) || cancelled.aborted) return
        const reading = await deps.readOutput(releaseId, reader).catch(() => undefined)
        if (reading === undefined) {
          await pause(outputPollMs)
          continue
        }
        await ended
        reading.close()
        return
      }
    },
    'builder.conclude': async (args: ConcludeArgs) => {
      const { buildId, appName, isPush, outcome } = args
      if ('version' in outcome) {
        const { version, phase } = outcome
        const url = deps.appUrl(appName)
        const launched = texts.launching + texts.released(version, url) + (isPush ? texts.verified : '')
        hub.write(buildId, phase === 'none' ? launched : texts.releaseEnded(phase === 'succeeded'))
      } else {
        // What failed in a buildpack has been shown; a failure of the platform has no text of its own yet.
        if (!(outcome.code in buildFailures))
          hub.write(buildId, ` !     ${outcome.reason}\n${texts.pushFailed}`)
        if (await wasBuilt(args).catch(() => false)) hub.write(buildId, texts.sameVersion(args.sourceVersion))
        if (isPush) hub.write(buildId, texts.rejected(appName))
      }
      hub.end(buildId)
    },
    'builder.drop': async ({ appId }: { appId: string }) => {
      try {
        for (const prefix of [`builds/${appId}/`, `${slugsPrefix}${appId}/`])
          for (const entry of await store.list(prefix)) await store.remove(entry.key)
        for (const bundle of await objects.list(`repository/${appId}/`)) await objects.remove(bundle)
        await store.remove(`repository/${appId}`)
        await cache.drop(appId)
        await rm(join(home, 'git', `${appId}.git`), { recursive: true, force: true })
      } catch (error) {
        throw asEffectFailure(error)
      }
    },
  }
}

/** What users have set themselves stays. */
const without = (wanted: Vars, there: Vars): Vars =>
  Object.fromEntries(Object.entries(wanted).filter(([name]) => !Object.hasOwn(there, name)))

/** Both lie under `builds/`: a move costs nothing, whatever the size. */
const moveSource = async (from: string, into: string): Promise<void> => {
  await rename(from, into)
  await chmod(into, 0o755)
}

/** What says that the app is to be an image, if anything does. */
const imageFile = async (tree: string): Promise<string | undefined> => {
  for (const name of ['heroku.yml', 'Dockerfile'])
    if ((await readInside(tree, name)) !== undefined) return name
  return undefined
}

/** The codes whose text the compiler has shown itself. */
const buildFailures: Readonly<Record<BuildFailure['code'], true>> = {
  NO_LANGUAGE: true,
  NOT_COMPATIBLE: true,
  UNKNOWN_BUILDPACK: true,
  FETCH_FAILED: true,
  CHECKOUT_FAILED: true,
  SUBMODULES_FAILED: true,
  COMPILE_FAILED: true,
  RELEASE_FAILED: true,
  TIMED_OUT: true,
  TOO_LARGE: true,
  CANCELLED: true,
}

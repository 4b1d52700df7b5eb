/** Making a slug from source, and saying so to whoever watches the build. */
import { effect } from '../../src/runtime/index.ts'
import type { BuildArchive, BuildView } from '../protocols/build.ts'
import type { Slug } from '../protocols/shapes.ts'

/** The release that was made and how its command ended; or what failed. */
export type Outcome =
  | { readonly version: number; readonly phase: 'none' | 'succeeded' | 'failed' }
  | { readonly code: string; readonly reason: string }

export const Builder = {
  /**
   * Compiles what lies in `sourceDir`, or in `archive`, and keeps the slug in the object store. Output goes
   * to the build's output stream. Fails with the code of the failed step; its text has been shown already.
   * Gives the buildpacks that were used; `detected`, when they were found and not set, the one that the app
   * is to keep; and of an app's first deploy the config vars that its buildpack wants and that are not set.
   */
  compile: effect<
    {
      buildId: string
      appId: string
      appName: string
      version: string
      sourceDir: string
      submodules: readonly { path: string; commit: string }[]
      archive?: BuildArchive
      buildpacks: readonly string[]
      stack: string
      configId: string
      /** The app has no slug yet. */
      isFirst: boolean
    },
    {
      slug: Slug
      buildpacks?: string[]
      detected?: string
      configVars?: Record<string, string>
    }
  >('builder.compile'),
  /**
   * Shows what the command of that release says in the build's output, from its first line to its last;
   * resolves at its end, or when it cannot be had.
   */
  showRelease: effect<{ buildId: string; appName: string; version: number; releaseId: string }, void>(
    'builder.showRelease',
  ),
  /** Says that it waits for as many others. */
  showWaiting: effect<{ buildId: string; ahead: number }, void>('builder.showWaiting'),
  /**
   * Whether a build that holds an app since then is over, or will never be: its record says so, or its host
   * is gone.
   */
  look: effect<{ appId: string; buildId: string; host: string; at: number }, { isOver: boolean }>(
    'builder.look',
  ),
  /** Stops a compilation that runs: it fails as cancelled. */
  cancel: effect<{ buildId: string }, void>('builder.cancel'),
  /** Ends the output stream with Heroku's last words: the release and the app's address, or what failed. */
  conclude: effect<
    {
      buildId: string
      appId: string
      appName: string
      /** Of the source: a commit, or what the caller called it. */
      sourceVersion: string
      isPush: boolean
      outcome: Outcome
    },
    void
  >('builder.conclude'),
  /** Puts on record what is known of the build, and notes here whether it is under way (with an output). */
  keep: effect<{ view: BuildView; sourceDir: string }, void>('builder.keep'),
  /**
   * Builds of this host that began before then and were never ended: on record as failed, their files gone.
   */
  bury: effect<{ before: number }, void>('builder.bury'),
  /** Removes what is kept of an app for builds: repository, cache, slugs. */
  drop: effect<{ appId: string }, void>('builder.drop'),
}

/**
 * Builds that their host did not end: it was lost, or began anew. What became of one is the word of its app's
 * ledger: it has succeeded when there is a release of it; if not, it may release nothing from then on, and
 * has failed. Whoever looks first puts that on record, so nobody is told what is undone later.
 */
import { StoreConflict, type Entry, type Store } from '../src/ports/store.ts'
import { ref } from '../src/runtime/index.ts'
import { AskFailed } from '../src/runtime/errors.ts'
import type { Node } from '../src/runtime/node.ts'
import { buildIn, buildKey, isLost } from './protocols/build-record.ts'
import type { BuildView } from './protocols/build.ts'
import { Releases } from './protocols/releases.ts'

export type LostBuilds = {
  /**
   * A build as it stands; undefined when the entry is of none. One that is lost is pending for as long as its
   * ledger cannot be asked.
   */
  readonly view: (entry: Entry) => Promise<BuildView | undefined>
  /**
   * Ends one that is pending on record, which its own host knows to be lost; undefined: it is not on record.
   * Rejects when the ledger or the record cannot be reached.
   */
  readonly settle: (appId: string, buildId: string) => Promise<BuildView | undefined>
  /** What its output ends with; undefined: it is under way, as far as one can tell. */
  readonly lastWords: (appId: string, buildId: string) => Promise<string | undefined>
}
export type LostBuildsDeps = {
  readonly store: Store
  readonly ask: Node['ask']
  /** Its lease is over, or it left: what it did not finish it never will. */
  readonly isGone: (host: string) => boolean
  readonly now: () => number
  /** Tells whoever follows what changes. It may be told again. */
  readonly told: (build: BuildView) => Promise<void>
}

const askMs = 5_000

export const lostBuilds = ({ store, ask, isGone, now, told }: LostBuildsDeps): LostBuilds => {
  const released = async (appId: string, buildId: string) => {
    try {
      const question = { type: 'giveUpBuild', buildId } as const
      return (await ask(ref(Releases, appId), question, { timeoutMs: askMs })).released
    } catch (error) {
      // An app that is gone releases nothing.
      if (error instanceof AskFailed && error.code === 'not_found') return null
      throw error
    }
  }

  const end = async ({ key, revision }: Entry, build: BuildView): Promise<BuildView> => {
    const made = await released(build.appId, build.id)
    const ended: BuildView = {
      ...build,
      ...(made === null
        ? { status: 'failed' }
        : { status: 'succeeded', slugId: made.slugId, releaseId: made.id, releaseVersion: made.version }),
      updatedAt: now(),
    }
    // Before it is on record: after that nobody would look again, and what is told is sure by now.
    await told(ended)
    try {
      await store.update(key, Buffer.from(JSON.stringify(ended)), revision)
    } catch (error) {
      // Somebody else looked too, and was told the same.
      if (!(error instanceof StoreConflict)) throw error
    }
    return ended
  }

  const view = async (entry: Entry): Promise<BuildView | undefined> => {
    const build = buildIn(entry.value)
    if (build === undefined || !isLost(build, now(), isGone)) return build
    return end(entry, build).catch(() => build)
  }

  return {
    view,
    settle: async (appId, buildId) => {
      const entry = await store.get(buildKey(appId, buildId))
      const build = entry && buildIn(entry.value)
      return entry && build?.status === 'pending' ? end(entry, build) : build
    },
    lastWords: async (appId, buildId) => {
      const entry = await store.get(buildKey(appId, buildId))
      const build = entry && (await view(entry))
      return build?.status === 'pending' ? undefined : build && lastWordsOf(build)
    },
  }
}

export const lastWordsOf = ({ status, releaseVersion }: BuildView): string =>
  status === 'succeeded'
    ? ` !     The host of this build went down: v${releaseVersion} was released.\n`
    : ' !     The host of this build went down: the build has failed.\n'

/**
 * Records of builds: what became of each, for every host to read; and on the disk of the host that compiles,
 * a note of each that is under way, so that its next life knows which ones it lost.
 */
import { existsSync, readdirSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Effects } from '../../../src/ports/effects.ts'
import { removeTree } from '../../../src/slug/remove-tree.ts'
import { StoreConflict, type Store } from '../../../src/ports/store.ts'
import { buildIn, buildKey, isLost, parseJson } from '../../protocols/build-record.ts'
import type { BuildView } from '../../protocols/build.ts'
import { lastWordsOf, type LostBuilds } from '../../lost-builds.ts'
import type { TellBuild } from './events.ts'
import { asEffectFailure } from './names.ts'

export type BuildRecordDeps = {
  /** `builds/` in it is for work under way. Absolute. */
  readonly home: string
  readonly store: Store
  readonly now: () => number
  /** It is on record, or will be in a moment: whoever asks for its output finds it. */
  readonly begun: (buildId: string) => void
  /** It is over: that is the last its output says. */
  readonly ended: (buildId: string, words: string) => void
  /** Its lease is over, or it left: what it did not finish it never will. */
  readonly isGone: (host: string) => boolean
  readonly lost: Pick<LostBuilds, 'settle'>
  /** Tells whoever follows what changes. */
  readonly told: TellBuild
}

/** What is noted of a build that is under way. */
type Note = { readonly appId: string; readonly createdAt: number; readonly sourceDir: string }

type Held = { readonly appId: string; readonly buildId: string; readonly host: string; readonly at: number }

/** Between taking an app and the first word on record. */
const unkeptMsMax = 60_000
const sourcePattern = /^(?:source|setup)-/
const encoder = new TextEncoder()
const noteSuffix = '.json'
const folderOf = (home: string): string => join(home, 'builds')

const noted = (names: readonly string[]): readonly string[] =>
  names.filter((name) => name.endsWith(noteSuffix)).map((name) => name.slice(0, -noteSuffix.length))

/** Ids of the builds that are under way here, or were in a former life. */
export const buildsUnderWay = (home: string): readonly string[] =>
  existsSync(folderOf(home)) ? noted(readdirSync(folderOf(home))) : []

export const performBuildRecords = (deps: BuildRecordDeps): Effects => {
  const { home, store, now, begun, ended, isGone, lost, told } = deps
  const folder = folderOf(home)
  const noteOf = (buildId: string): string => join(folder, buildId + noteSuffix)

  /** @returns whether it stands */
  const put = async (view: BuildView): Promise<boolean> => {
    const key = buildKey(view.appId, view.id)
    const value = encoder.encode(JSON.stringify(view))
    const entry = await store.get(key)
    // It was taken for lost before its first word arrived: it will not release.
    if (view.status === 'pending' && entry && buildIn(entry.value)?.status !== 'pending') return false
    try {
      await (entry === undefined ? store.create(key, value) : store.update(key, value, entry.revision))
    } catch (error) {
      // It was taken away with its app meanwhile, or an earlier try of ours arrived: look again.
      if (!(error instanceof StoreConflict)) throw error
      const again = await store.get(key)
      if (again === undefined) return false
      await store.update(key, value, again.revision)
    }
    return true
  }

  const keep = async (view: BuildView, sourceDir: string): Promise<void> => {
    if (view.status === 'pending') {
      const note: Note = { appId: view.appId, createdAt: view.createdAt, sourceDir }
      await mkdir(folder, { recursive: true, mode: 0o700 })
      await writeFile(noteOf(view.id), JSON.stringify(note), { mode: 0o600 })
      begun(view.id)
    }
    if (await put(view)) await told(view)
    if (view.status !== 'pending') await rm(noteOf(view.id), { force: true })
  }

  const bury = async (buildId: string, before: number): Promise<void> => {
    const note = parseJson(await readFile(noteOf(buildId), 'utf8')) as Partial<Note> | undefined
    if ((note?.createdAt ?? 0) >= before) return
    const build = note?.appId === undefined ? undefined : await lost.settle(note.appId, buildId)
    if (build !== undefined) await told(build, true)
    ended(buildId, build === undefined ? '' : lastWordsOf(build))
    const left = [join(folder, buildId), ...(note?.sourceDir ? [note.sourceDir] : [])]
    await Promise.all(left.map(removeTree))
    await rm(noteOf(buildId), { force: true })
  }

  /** Sources of a former life that no build had taken over. Their own times are those of their commits. */
  const clear = async (before: number): Promise<void> => {
    for (const name of (await readdir(folder)).filter((one) => sourcePattern.test(one))) {
      const path = join(folder, name)
      if ((await stat(path)).ctimeMs < before) await removeTree(path)
    }
  }

  return {
    'builder.keep': async ({ view, sourceDir }: { view: BuildView; sourceDir: string }) => {
      try {
        await keep(view, sourceDir)
      } catch (error) {
        throw asEffectFailure(error)
      }
    },
    'builder.look': async ({ appId, buildId, host, at }: Held) => {
      try {
        const entry = await store.get(buildKey(appId, buildId))
        const build = entry && buildIn(entry.value)
        if (build !== undefined) return { isOver: build.status !== 'pending' || isLost(build, now(), isGone) }
        return { isOver: isGone(host) || now() - at > unkeptMsMax }
      } catch (error) {
        throw asEffectFailure(error)
      }
    },
    'builder.bury': async ({ before }: { before: number }) => {
      try {
        await mkdir(folder, { recursive: true, mode: 0o700 })
        for (const buildId of noted(await readdir(folder))) await bury(buildId, before)
        await clear(before)
      } catch (error) {
        throw asEffectFailure(error)
      }
    },
  }
}

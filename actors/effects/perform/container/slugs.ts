/**
 * Slugs on this host: each is fetched and unpacked once, verified, shared read-only by all that run it. One
 * that was compiled here is taken over as it lies in the build's folder.
 */
import { createWriteStream, existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { EffectFailed } from '../../../../src/ports/effects.ts'
import { ObjectCorrupt, type Objects } from '../../../../src/ports/store.ts'
import { SlugError } from '../../../../src/slug/failure.ts'
import { adopt, unpack } from '../../../../src/slug/unpack.ts'
import type { Slug } from '../../../protocols/shapes.ts'
import { slugObject } from '../builder.ts'
import { asEffectFailure } from '../names.ts'

export type Slugs = {
  /** The folder of the unpacked slug. Fails with `R17` or `slug_missing`. */
  prepare(slug: Slug): Promise<string>
  folderOf(slug: Slug): string
  /**
   * Takes over the tree that a slug was packed from just now, so that it need not be fetched. The object
   * store's copy stays the durable one. Never rejects. @returns false when it could not: `prepare` fetches it
   */
  seed(sha256: string, tree: string): Promise<boolean>
}

/** @param folder absolute; unpacked slugs lie in it by their sum */
export const createSlugs = (folder: string, objects: Objects): Slugs => {
  const preparing = new Map<string, Promise<string>>()
  const folderOf = (slug: Slug): string => join(folder, slug.sha256)

  const fetchAndUnpack = async (slug: Slug): Promise<string> => {
    const into = folderOf(slug)
    if (existsSync(into)) return into
    await mkdir(folder, { recursive: true, mode: 0o711 })
    const file = join(folder, `${slug.sha256}.tgz`)
    try {
      const source = await objects.get(slugObject(slug.sha256))
      if (source === undefined) throw new EffectFailed('slug_missing', `slug ${slug.sha256} is nowhere`)
      await pipeline(source, createWriteStream(file, { mode: 0o600 }))
      await unpack({ file, sha256: slug.sha256, into })
      return into
    } catch (error) {
      if (error instanceof ObjectCorrupt || (error instanceof SlugError && error.code === 'SLUG_CHECKSUM'))
        throw new EffectFailed('R17', error.message, { cause: error })
      throw asEffectFailure(error)
    } finally {
      await rm(file, { force: true })
    }
  }

  return {
    folderOf,
    seed: async (sha256, tree) => {
      try {
        await mkdir(folder, { recursive: true, mode: 0o711 })
        await adopt(tree, join(folder, sha256))
        return true
      } catch {
        // Whatever the reason: it is fetched and unpacked like a slug from elsewhere, and may fail there.
        return false
      }
    },
    prepare: (slug) => {
      const known = preparing.get(slug.sha256)
      if (known !== undefined) return known
      const now = fetchAndUnpack(slug).finally(() => preparing.delete(slug.sha256))
      preparing.set(slug.sha256, now)
      return now
    },
  }
}

/**
 * Slugs on this host: each is fetched and unpacked once, verified, shared read-only by all that run it.
 */
import { createWriteStream, existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { EffectFailed } from '../../../../src/ports/effects.ts'
import { ObjectCorrupt, type Objects } from '../../../../src/ports/store.ts'
import { SlugError } from '../../../../src/slug/failure.ts'
import { unpack } from '../../../../src/slug/unpack.ts'
import type { Slug } from '../../../protocols/shapes.ts'
import { slugObject } from '../builder.ts'
import { asEffectFailure } from '../names.ts'

export type Slugs = {
  /** The folder of the unpacked slug. Fails with `R17` or `slug_missing`. */
  prepare(slug: Slug): Promise<string>
  folderOf(slug: Slug): string
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
    prepare: (slug) => {
      const known = preparing.get(slug.sha256)
      if (known !== undefined) return known
      const now = fetchAndUnpack(slug).finally(() => preparing.delete(slug.sha256))
      preparing.set(slug.sha256, now)
      return now
    },
  }
}

/**
 * Slugs on this host: each is fetched and unpacked once, verified, shared read-only by all that run it. It
 * comes from another host that has it, which is nearer and has no leader to lose, else from the object store.
 * One that was compiled here is taken over as it lies in the build's folder.
 */
import { createWriteStream, existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { EffectFailed } from '../../../../src/ports/effects.ts'
import { ObjectCorrupt, type Objects } from '../../../../src/ports/store.ts'
import { SlugError } from '../../../../src/slug/failure.ts'
import { adopt, unpack, wrongChecksum } from '../../../../src/slug/unpack.ts'
import type { Slug } from '../../../protocols/shapes.ts'
import { slugObject } from '../builder.ts'
import { asEffectFailure } from '../names.ts'
import { createPacked } from './packed.ts'
import { createUnpacked } from './unpacked.ts'

export type Slugs = {
  /** The folder of the unpacked slug. Fails with `R17` or `slug_missing`. */
  prepare(slug: Slug): Promise<string>
  folderOf(slug: Slug): string
  /**
   * Takes over the tree that a slug was packed from just now, so that it need not be fetched, and lets other
   * hosts have `file`, the packed slug. The object store's copy stays the durable one. Never rejects.
   * @returns false when it could not take the tree: `prepare` fetches it
   */
  seed(sha256: string, tree: string, file: string): Promise<boolean>
  /** The packed slug on this host's disk, for another host to fetch. Undefined: not here. */
  packedOf(sha256: string): string | undefined
}
export type SlugsDeps = {
  /** Absolute; unpacked slugs lie in it by their sum, packed ones in a folder of it. */
  readonly folder: string
  readonly objects: Pick<Objects, 'get'>
  readonly now: () => number
  /** The packed slug from another host's disk; undefined when nobody is known to have it. May reject. */
  readonly fetchSlug?: (sha256: string) => Promise<AsyncIterable<Uint8Array> | undefined>
  readonly packedBytesMax?: number
  readonly unpackedBytesMax?: number
  /** Sums of the slugs from which containers run. */
  readonly inUse: () => Promise<ReadonlySet<string>>
  readonly onError: (cause: unknown) => void
}

const packedBytesMaxDefault = 2 * 1024 ** 3
const unpackedBytesMaxDefault = 20 * 1024 ** 3

export const createSlugs = (deps: SlugsDeps): Slugs => {
  const { folder, objects } = deps
  const preparing = new Map<string, Promise<string>>()
  const packed = createPacked(join(folder, 'packed'), deps.packedBytesMax ?? packedBytesMaxDefault)
  const unpacked = createUnpacked({
    ...deps,
    bytesMax: deps.unpackedBytesMax ?? unpackedBytesMaxDefault,
  })
  const folderOf = (slug: Slug): string => join(folder, slug.sha256)

  /** Unpacks what `source` gives, if it is right. @returns false when there is no source */
  const take = async (
    { sha256 }: Slug,
    source: AsyncIterable<Uint8Array> | undefined,
    into: string,
  ): Promise<boolean> => {
    if (source === undefined) return false
    const file = join(folder, `${sha256}.part`)
    try {
      await pipeline(source, createWriteStream(file, { mode: 0o600 }))
      await unpack({ file, sha256, into })
      await packed.keep(sha256, file, deps.now()).catch(() => undefined)
      return true
    } finally {
      await rm(file, { force: true })
    }
  }

  /** What is packed on this disk, then what another host has. Whatever fails there, the store has it too. */
  const takeNear = async (slug: Slug, into: string): Promise<boolean> => {
    const file = packed.pathOf(slug.sha256)
    try {
      if (file !== undefined) {
        await unpack({ file, sha256: slug.sha256, into })
        return true
      }
      return await take(slug, await deps.fetchSlug?.(slug.sha256), into)
    } catch {
      await packed.drop(slug.sha256)
      return false
    }
  }

  const fetchAndUnpack = async (slug: Slug): Promise<string> => {
    const into = folderOf(slug)
    if (slug.promised !== undefined) throw new EffectFailed('R17', wrongChecksum(slug.promised, slug.sha256))
    try {
      await mkdir(folder, { recursive: true, mode: 0o711 })
      // Marked first: what is about to be used is not taken away.
      // Marked first: what is about to be used is not taken away.
      if (existsSync(into)) await unpacked.used(slug.sha256)
      if (existsSync(into)) return into
      if (
        !(await takeNear(slug, into)) &&
        !(await take(slug, await objects.get(slug.object ?? slugObject(slug.sha256)), into))
      )
        throw new EffectFailed('slug_missing', `slug ${slug.sha256} is nowhere`)
      await unpacked.used(slug.sha256)
      makeRoom()
      return into
    } catch (error) {
      if (error instanceof ObjectCorrupt || (error instanceof SlugError && error.code === 'SLUG_CHECKSUM'))
        throw new EffectFailed('R17', error.message, { cause: error })
      throw asEffectFailure(error)
    }
  }

  /** Others may have to go for a new one, which nobody waits for. */
  const makeRoom = (): void => void unpacked.prune().catch(deps.onError)

  return {
    folderOf,
    packedOf: (sha256) => packed.pathOf(sha256),
    seed: async (sha256, tree, file) => {
      // Whatever the reason of a failure: it is fetched like a slug from elsewhere, and may fail there.
      await packed.keep(sha256, file, deps.now()).catch(() => undefined)
      try {
        await mkdir(folder, { recursive: true, mode: 0o711 })
        await adopt(tree, join(folder, sha256))
        await unpacked.used(sha256)
        makeRoom()
        return true
      } catch {
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

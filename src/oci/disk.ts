/**
 * Disks: what a container writes goes to a file system of its own, in one file of a fixed size. When it is
 * full, the container alone is told so; and the file takes no more room than what was written.
 *
 * Each image is a copy of an empty one that is made once for each size. The launcher makes the copy and
 * mounts it, so that the kernel takes everything but the file away when the container ends.
 */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm, statfs, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { command } from './command.ts'
import { OciError } from './errors.ts'
import { launcherArgv, type Disk } from './launcher.ts'

const blockBytes = 4_096
const mb = 2 ** 20

/** Less than this is left to what the host itself must write. */
export const hostFreeBytesMin = 256 * mb

const probeBytes = 16 * mb
const templateName = /^disk-\d+\.img(\.new)?$/

export type Disks = {
  /** Why this machine cannot bound what a container writes; undefined where it can. Looked at once. */
  lack(): Promise<string | undefined>
  /** Rejects with `OCI_DISK` when the host has no room for one more. */
  room(): Promise<void>
  /** The disk to make for the container in `dir`; undefined where this machine can make none. */
  of(dir: string, bytes: number): Promise<Disk | undefined>
  teardown(): Promise<void>
}

/** The disks of the containers of one state directory. */
export const openDisks = (stateDir: string): Disks => {
  const templates = new Map<number, Promise<string>>()
  let probed: Promise<string | undefined> | undefined
  const lack = (): Promise<string | undefined> => (probed ??= probe())

  const templateOf = async (bytes: number): Promise<string> => {
    const path = join(stateDir, `disk-${bytes}.img`)
    if (existsSync(path)) return path
    const making = templates.get(bytes) ?? makeTemplate(path, bytes).finally(() => templates.delete(bytes))
    templates.set(bytes, making)
    return making
  }

  return {
    lack,
    room: async () => {
      const { bavail, bsize } = await statfs(stateDir)
      const freeMb = Math.floor((bavail * bsize) / mb)
      if (freeMb * mb < hostFreeBytesMin)
        throw new OciError('OCI_DISK', `${stateDir}: ${freeMb} MB left of at least ${hostFreeBytesMin / mb}`)
    },
    of: async (dir, bytes) => {
      if ((await lack()) !== undefined) return undefined
      const template = await templateOf(Math.ceil(bytes / blockBytes) * blockBytes)
      const target = join(dir, 'disk')
      await mkdir(target, { recursive: true, mode: 0o711 })
      return { template, image: join(dir, 'disk.img'), target }
    },
    teardown: async () => {
      const names = (await readdir(stateDir)).filter((name) => templateName.test(name))
      await Promise.all(names.map((name) => rm(join(stateDir, name), { force: true })))
    },
  }
}

/** No journal, nothing reserved for root: it is thrown away whole, and nobody but its container writes. */
const makeTemplate = async (path: string, bytes: number): Promise<string> => {
  const fresh = `${path}.new`
  await writeFile(fresh, '', { mode: 0o600 })
  await truncate(fresh, bytes)
  const features = ['-O', '^has_journal,^resize_inode', '-E', 'lazy_itable_init=1,nodiscard', '-m', '0']
  await command(['mkfs.ext4', '-q', '-F', '-b', String(blockBytes), ...features, fresh])
  await rename(fresh, path)
  return path
}

/** Makes one disk and mounts it, as a start does. */
const probe = async (): Promise<string | undefined> => {
  const dir = await mkdtemp(join(tmpdir(), 'manifold-disk-'))
  try {
    const template = await makeTemplate(join(dir, 'template'), probeBytes)
    const target = join(dir, 'disk')
    await mkdir(target)
    const disk = { template, image: join(dir, 'image'), target }
    const hull = { uid: 0, disk, wire: undefined }
    const mounts = { folders: [], layers: [], copies: [] }
    await command(['modprobe', '-a', 'loop', 'ext4']).catch(() => undefined)
    await command(['perl', ...launcherArgv(hull, { group: undefined, mounts, command: ['true'] })])
    return undefined
  } catch (error) {
    if (error instanceof OciError) return error.cause instanceof Error ? error.cause.message : error.message
    throw error
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

/**
 * A host's container engine with nothing around it: the real driver on a state directory of its own, and the
 * platform's own performer of dynos over it, so that what is started here is what a host would start.
 */
import { createReadStream, mkdirSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { slugObject } from '../../../actors/effects/perform/builder.ts'
import { dynosReady, performContainer, slugsInUse } from '../../../actors/effects/perform/container.ts'
import { createSlugs } from '../../../actors/effects/perform/container/slugs.ts'
import type { Run, Slug } from '../../../actors/protocols/shapes.ts'
import { logStart, type Driver } from '../../../src/oci/driver.ts'
import { openOciDriver } from '../../../src/oci/oci.ts'
import { pack } from '../../../src/slug/pack.ts'
import { createRendezvous } from '../../../src/rendezvous/rendezvous.ts'
import { systemRandom } from '../../../src/system/random.ts'
import { nowMs, whenOf } from './when.ts'

export type Yard = {
  readonly driver: Driver
  /** A slug of its own that is packed and nowhere unpacked. */
  readonly makeSlug: (bytes: number) => Promise<{ readonly slug: Slug; readonly file: string }>
  /** Brings the slug if it is not here, starts the command. @returns ms until its process runs */
  readonly start: (id: string, slug: Slug, command: string) => Promise<number>
  readonly folderOf: (slug: Slug) => string
  /** Ends it and frees what it holds. */
  readonly remove: (id: string) => Promise<void>
  readonly close: () => Promise<void>
}

const fileBytes = 64 * 1024

/** @param folder of its own, which the caller removes; @param root of the stack */
export const openYard = async (folder: string, root: string): Promise<Yard> => {
  const stateDir = join(folder, 'containers')
  const driver = await openOciDriver({ stateDir, now: () => Date.now(), ready: dynosReady })
  const packed = new Map<string, string>()
  const nothing = (): Promise<never> => Promise.reject(new Error('the bench has no such thing'))
  const slugs = createSlugs({
    folder: join(folder, 'slugs'),
    objects: { get: (name) => Promise.resolve(createReadStream(packed.get(name) ?? '')) },
    now: () => Date.now(),
    inUse: () => slugsInUse(driver),
    onError: (cause) => {
      throw cause
    },
  })
  const effects = performContainer({
    driver,
    slugs,
    shuttle: { ship: () => Promise.resolve(), forget: () => Promise.resolve() },
    vault: { open: () => Promise.resolve({}), seal: nothing, effects: {} },
    rendezvous: createRendezvous({ tokensMax: 1 }),
    random: systemRandom,
    now: () => Date.now(),
    rootOf: () => ({ root, layers: [] }),
    appDomain: 'localhost',
  })
  const perform = (name: string, input: object): Promise<unknown> => {
    const performer = effects[name]
    if (performer === undefined) throw new Error(`no performer of ${name}`)
    // Each names its own arguments; the callers below give them.
    return performer(input as never, new AbortController().signal)
  }

  return {
    driver,
    makeSlug: async (bytes) => {
      const source = join(folder, `source-${packed.size}`)
      mkdirSync(join(source, 'app'), { recursive: true })
      for (let at = 0; at * fileBytes < bytes; at++)
        writeFileSync(join(source, `app/${at}.bin`), randomBytes(fileBytes))
      const file = `${source}.tgz`
      const { sha256, bytes: packedBytes } = await pack(source, { file, bytesMax: 2 * bytes + 2 ** 20 })
      await rm(source, { recursive: true })
      packed.set(slugObject(sha256), file)
      return { slug: slugOf(sha256, packedBytes), file }
    },
    start: async (id, slug, command) => {
      const beganMs = nowMs()
      await perform('container.prepare', { slug })
      await perform('container.start', { run: runOf(id, slug, command) })
      const line = await firstLine(driver, id)
      return whenOf(line) - beganMs
    },
    folderOf: (slug) => slugs.folderOf(slug),
    remove: (id) => driver.remove(id),
    close: async () => {
      for (const { id } of await driver.list()) await driver.remove(id)
      driver.close()
      await driver.teardown()
    },
  }
}

const firstLine = async (driver: Driver, id: string): Promise<string> => {
  const { promise, resolve } = Promise.withResolvers<string>()
  const follower = driver.follow(id, logStart, ({ lines }) => resolve(lines[0]?.bytes.toString() ?? ''))
  const line = await Promise.race([promise, follower.done.then(() => '')])
  follower.close()
  if (line === '') throw new Error(`${id} said nothing`)
  return line
}

const slugOf = (sha256: string, bytes: number): Slug => ({
  id: sha256.slice(0, 8),
  sha256,
  bytes,
  stack: 'heroku-24',
  commit: '',
  description: '',
  processTypes: {},
  buildpackDescription: '',
  createdAt: 0,
})

const runOf = (id: string, slug: Slug, command: string): Run => ({
  id,
  appId: 'bench',
  appName: 'bench',
  name: 'web.1',
  type: 'web',
  command,
  size: 'Basic',
  releaseId: 'bench',
  releaseVersion: 1,
  configId: '',
  slug,
  env: {},
  attach: null,
  singleton: false,
  timeToLiveMs: null,
  epoch: 1,
})

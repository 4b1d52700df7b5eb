/**
 * Boxes: containers' directories with disk and network, made ahead, so that a start has less to wait for.
 *
 * Each is kept by a launcher that waits for its order, and nothing of it is on record: when this process
 * dies, the launcher ends, the kernel takes device and network away, and the directory is swept by the next
 * one. A box is made when nothing is being started, one at a time; where one cannot be made, starts do
 * without and say what is wrong.
 */
import type { ChildProcess } from 'node:child_process'
import { mkdir, rename, rm } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { join } from 'node:path'

import type { Identity } from './addresses.ts'
import { OciError } from './errors.ts'
import { waitingArgv, type Hull } from './launcher.ts'
import { readyLine } from './launcher-script.ts'
import { namesIn } from './record.ts'
import { spawnLauncher } from './runc.ts'

/** How many to keep ready, and how large the disk of each is. */
export type Ready = { count: number; diskBytes: number }

/** Whoever takes it gives the launcher its order, or ends it. */
export type Box = { identity: Identity; launcher: ChildProcess }

export type Boxes = {
  /** One with a disk of that size, its directory in place of the empty `dir`; undefined: none is ready. */
  take(dir: string, diskBytes: number): Promise<Box | undefined>
  /** Makes what is missing, a moment after the last call. */
  fill(): void
  identities(): Identity[]
  /** Removes what earlier processes left. */
  sweep(): Promise<void>
  /** Ends and removes all of them. They are made again after the next `fill`. */
  empty(): Promise<void>
  close(): void
}

export type BoxesOptions = {
  stateDir: string
  ready: Ready | undefined
  /** Makes the directory's contents and says what the launcher has to make. */
  hullOf(dir: string, identity: Identity, diskBytes: number): Promise<Hull>
  leases: { next(): Promise<Identity>; free(index: number): void }
  /** Whether something is being started. */
  busy(): boolean
}

/** Not while what was started just now gets going itself. */
const quietMs = 250
const makeMsMax = 30_000

type Made = Partial<Box> & {
  identity: Identity
  dir: string
  ready: boolean
  /** Settles when nothing is put into it any more. */
  making: Promise<void>
  gone?: Promise<void>
}

/** The boxes of one state directory, in a directory whose name no container can have. */
export const openBoxes = (options: BoxesOptions): Boxes => {
  const { stateDir, ready, leases } = options
  const home = join(stateDir, '.boxes')
  const all = new Set<Made>()
  let timer: NodeJS.Timeout | undefined
  let filling = Promise.resolve()
  let closed = false
  let emptying = false

  const discard = (box: Made): Promise<void> => {
    box.ready = false
    return (box.gone ??= clear(box))
  }

  const clear = async (box: Made): Promise<void> => {
    await (box.launcher && ended(box.launcher))
    // Nothing is taken away under its maker, who may have come to a launcher meanwhile.
    await box.making.catch(() => undefined)
    await (box.launcher && ended(box.launcher))
    try {
      await rm(box.dir, { recursive: true, force: true })
    } finally {
      leases.free(box.identity.index)
      all.delete(box)
    }
  }

  const make = async (diskBytes: number): Promise<void> => {
    const identity = await leases.next()
    const dir = join(home, String(identity.index))
    const box: Made = { identity, dir, ready: false, making: Promise.resolve() }
    all.add(box)
    box.making = furnish(box, diskBytes)
    try {
      await box.making
    } catch (error) {
      await discard(box)
      throw error
    }
    box.ready = box.gone === undefined
  }

  const furnish = async (box: Made, diskBytes: number): Promise<void> => {
    await mkdir(box.dir, { recursive: true, mode: 0o711 })
    const hull = await options.hullOf(box.dir, box.identity, diskBytes)
    if (box.gone !== undefined) return
    const launcher = await spawnLauncher(box.dir, waitingArgv(hull), 'pipe')
    box.launcher = launcher
    await saysReady(launcher)
    // Unless it was taken: then it became the container's keeper.
    launcher.once('exit', () => void (all.has(box) && discard(box).catch(() => undefined)))
  }

  const fillNow = async ({ count, diskBytes }: Ready): Promise<void> => {
    const wants = (): boolean => !closed && !emptying && !options.busy() && all.size < count
    try {
      while (wants()) await make(diskBytes)
    } catch {
      // The next start meets the same, and says so.
    }
  }

  return {
    take: async (dir, diskBytes) => {
      const box = [...all].find((each) => each.ready)
      if (box?.launcher === undefined || ready?.diskBytes !== diskBytes) return undefined
      all.delete(box)
      await rename(box.dir, dir)
      return { identity: box.identity, launcher: box.launcher }
    },
    fill: () => {
      if (ready === undefined || closed) return
      clearTimeout(timer)
      timer = setTimeout(() => void (filling = filling.then(() => fillNow(ready))), quietMs).unref()
    },
    identities: () => [...all].map(({ identity }) => identity),
    sweep: async () => {
      const own = new Set([...all].map(({ dir }) => dir))
      const left = (await namesIn(home)).map((name) => join(home, name)).filter((dir) => !own.has(dir))
      // A launcher that was at work when its process died goes on until it would wait.
      await Promise.all(left.map((dir) => rm(dir, { recursive: true, force: true, maxRetries: 5 })))
    },
    empty: async () => {
      clearTimeout(timer)
      emptying = true
      await Promise.all([...all].map(discard))
      await filling
      emptying = false
      await rm(home, { recursive: true, force: true })
    },
    close: () => {
      closed = true
      clearTimeout(timer)
      for (const { launcher } of all) launcher?.stdin?.destroy()
    },
  }
}

/** Kills it and waits until it is gone, and what it made with it. */
const ended = (launcher: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (launcher.exitCode !== null || launcher.signalCode !== null || launcher.pid === undefined)
      return resolve()
    launcher.ref()
    launcher.once('exit', () => resolve())
    launcher.kill('SIGKILL')
  })

/** Resolves when the launcher has made all and waits. It keeps no event loop going from then on. */
const saysReady = async (launcher: ChildProcess): Promise<void> => {
  const [stdin, pipe] = [launcher.stdin as Socket, launcher.stdio[3] as Socket]
  // It may be gone when its order is written; what it leaves unsaid on the sync pipe tells that.
  stdin.on('error', () => undefined)
  const said = await new Promise<string>((resolve) => {
    const timer = setTimeout(resolve, makeMsMax, '')
    const end = (text: string): void => {
      clearTimeout(timer)
      resolve(text)
    }
    pipe.once('data', (chunk: Buffer) => end(chunk.toString()))
    for (const event of ['error', 'close']) launcher.once(event, () => end(''))
  })
  if (said !== `${readyLine}\n`) throw new OciError('OCI_START', 'no box could be made')
  for (const each of [launcher, stdin, pipe]) each.unref()
}

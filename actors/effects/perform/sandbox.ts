/**
 * The build sandbox: one command in a container of its own, isolated like what it builds will be, its mounts
 * shown where the slug compiler says. The `process` driver has no mounts: there the paths in the command are
 * put in their place.
 */
import type { Driver, Limits } from '../../../src/oci/driver.ts'
import { placer, type Job, type Sandbox } from '../../../src/slug/sandbox.ts'
import { rootLabel, type StackRoot } from './container/stacks.ts'

export type SandboxDeps = {
  readonly driver: Driver
  /** What builds run on. */
  readonly on: StackRoot
  readonly limits: Limits
  /** A name never used before. */
  readonly newId: () => string
}

type Placed = Pick<Job, 'argv' | 'cwd' | 'env'>

/** Targets replaced by their sources wherever they stand. */
const placeOnHost = (job: Job): Placed => {
  const place = placer(job.mounts)
  const env = Object.fromEntries(Object.entries(job.env).map(([name, value]) => [name, place(value)]))
  return { argv: job.argv.map(place), cwd: place(job.cwd), env }
}

const kind = 'build'

/** Those of a former life, which nobody reads any more: they would compile on. */
export const endSandboxes = async (driver: Pick<Driver, 'list' | 'remove'>): Promise<void> => {
  const former = (await driver.list()).filter(({ labels }) => labels['kind'] === kind)
  await Promise.all(former.map(({ id }) => driver.remove(id)))
}

export const containerSandbox =
  ({ driver, on, limits, newId }: SandboxDeps): Sandbox =>
  async (job) => {
    job.signal?.throwIfAborted()
    const isProcess = driver.kind === 'process'
    const { argv, cwd, env } = isProcess ? placeOnHost(job) : job
    const id = newId()
    const layers = isProcess ? [] : [...on.layers, ...job.mounts]
    const base = {
      id,
      root: on.root,
      layers,
      limits,
      hostname: 'build',
      labels: { kind, [rootLabel]: on.root },
      network: 'own' as const,
      ...(job.hosts === undefined ? {} : { hosts: job.hosts }),
    }
    const attached = await driver.attach({ ...base, argv, cwd, env })
    let timedOut = false
    const kill = (): void => void driver.signal(id, 'SIGKILL', 'all').catch(() => undefined)
    const deadline = setTimeout(() => {
      timedOut = true
      kill()
    }, job.timeoutMs)
    job.signal?.addEventListener('abort', kill, { once: true })
    try {
      attached.stdin.on('error', () => undefined)
      attached.stdin.end()
      const read = new Promise<void>((resolve) => {
        attached.output.on('data', job.onOutput)
        attached.output.once('close', resolve)
        attached.output.once('end', resolve)
        attached.output.once('error', resolve)
      })
      const exit = await attached.exit
      await read
      return { code: exit.code ?? 1, timedOut }
    } finally {
      clearTimeout(deadline)
      job.signal?.removeEventListener('abort', kill)
      await driver.remove(id)
    }
  }

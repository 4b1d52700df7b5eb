/**
 * Containers for tests: a driver on a state directory of its own, specifications with defaults, and readers
 * of what a container printed. Everything made here is taken away when the test ends.
 */
import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

import {
  logStart,
  type Attached,
  type ContainerSpec,
  type Driver,
  type LogLine,
} from '../../src/oci/driver.ts'
import { openOciDriver, type OciOptions } from '../../src/oci/oci.ts'
import { openProcessDriver } from '../../src/oci/process.ts'

const home = process.env['MANIFOLD_HOME'] ?? join(homedir(), '.manifold')

/** The root file system that `scripts/setup` makes. */
export const stack = join(home, 'stacks/heroku-24')

/** Why containers cannot be tested here; undefined where they can. */
export const noContainers = (): string | undefined => {
  if (process.getuid?.() !== 0) return 'runc needs root'
  if (!existsSync(stack)) return `no stack at ${stack}: run scripts/setup`
  return undefined
}

export type Bench = {
  driver: Driver
  stateDir: string
  /** A directory with `hello` and `bin/run` in it, to be shown as a layer. */
  slug: string
  spec: (id: string, script: string, more?: Partial<ContainerSpec>) => ContainerSpec
  /** Starts, waits, reads all output, removes. */
  run: (id: string, script: string, more?: Partial<ContainerSpec>) => Promise<Ran>
}

export type Ran = {
  code: number | null
  signal: string | undefined
  oomKilled: boolean
  out: string[]
  err: string[]
}

const open = { oci: openOciDriver, process: openProcessDriver }

/** A driver that is emptied and torn down with the test. */
export const makeBench = async (
  t: Test,
  kind: 'oci' | 'process',
  more: Pick<OciOptions, 'ready'> = {},
): Promise<Bench> => {
  const dir = mkdtempSync(join(tmpdir(), `manifold-${kind}-`))
  const stateDir = join(dir, 'containers')
  const slug = join(dir, 'slug')
  await mkdir(join(slug, 'bin'), { recursive: true })
  await writeFile(join(slug, 'hello'), 'hello\n')
  await writeFile(join(slug, 'bin/run'), '#!/bin/bash\necho ran "$@"\n', { mode: 0o755 })
  const driver = await open[kind]({ stateDir, now: () => Date.now(), ...more })
  t.teardown(async () => {
    for (const { id } of await driver.list()) await driver.remove(id)
    driver.close()
    await driver.teardown()
    await rm(dir, { recursive: true, force: true })
  })
  const spec: Bench['spec'] = (id, script, more = {}) => ({ ...defaults(id, script, slug), ...more })
  return {
    driver,
    stateDir,
    slug,
    spec,
    run: async (id, script, more) => {
      await driver.start(spec(id, script, more))
      const exit = await driver.wait(id)
      const lines = await readAll(driver, id)
      await driver.remove(id)
      const of = (stream: string): string[] =>
        lines.filter((line) => line.stream === stream).map(({ bytes }) => bytes.toString())
      return {
        code: exit.code,
        signal: exit.signal,
        oomKilled: exit.oomKilled,
        out: of('stdout'),
        err: of('stderr'),
      }
    },
  }
}

/** A specification that runs `script` in bash with the slug as its private /app. */
export const defaults = (id: string, script: string, slug: string): ContainerSpec => ({
  id,
  root: stack,
  layers: [{ source: slug, target: '/app', mode: 'overlay' }],
  argv: ['bash', '-c', script],
  cwd: '/app',
  env: { HOME: '/app', PATH: '/usr/local/bin:/usr/bin:/bin' },
  limits: {
    memoryBytes: 128 * 2 ** 20,
    swapBytes: 0,
    pidsMax: 64,
    cpuShares: 256,
    openFilesMax: 1_024,
    diskBytes: 16 * 2 ** 20,
  },
  hostname: 'test-runtime',
  labels: { kind: 'test' },
  network: 'own',
})

/** Every line of the log of an exited container. */
export const readAll = async (driver: Driver, id: string): Promise<LogLine[]> => {
  const lines: LogLine[] = []
  await driver.follow(id, logStart, (batch) => void lines.push(...batch.lines)).done
  return lines
}

/** What an attached container printed until it ended. */
export const collect = async ({ output }: Attached): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of output) chunks.push(Buffer.from(chunk as Uint8Array))
  return Buffer.concat(chunks).toString()
}

/** Mount points of this machine below `path`. */
export const mountsBelow = (path: string): string[] =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(path))

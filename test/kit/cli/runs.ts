/** Runs of the stock CLI, and what each printed: in one process; after one that hangs, in another. */
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import type { Env, Ran } from '../run.ts'

export type HerokuRun = Ran & {
  readonly code: number
  /** What it printed, in the order it came. */
  readonly output: string
  readonly hung: boolean
}

export type Heroku = {
  /** @param words what comes after `heroku` */
  readonly run: (words: readonly string[], cwd?: string) => Promise<HerokuRun>
  readonly close: () => Promise<void>
}

export type HerokuOptions = { readonly env: Env; readonly cwd: string; readonly timeoutMs?: number }

const worker = join(import.meta.dirname, 'worker.ts')
const timeoutMsDefault = 120_000
const none: HerokuRun = { code: 1, output: '', stdout: '', stderr: '', hung: true }

/** Quotes hold words together. */
export const wordsOf = (line: string): string[] =>
  [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')

/** One after the other, whoever asks. */
export const openHeroku = ({ env, cwd, timeoutMs = timeoutMsDefault }: HerokuOptions): Heroku => {
  let child: ChildProcess | undefined
  let turn: Promise<unknown> = Promise.resolve()
  const begin = (): ChildProcess => {
    const own = Object.entries(env).map(([name, value]) => `${name}=${value}`)
    const argv = ['-i', ...own, 'node', '--no-deprecation', worker]
    const begun = spawn('/usr/bin/env', argv, { cwd, stdio: ['ignore', 'ignore', 'inherit', 'pipe', 'pipe'] })
    begun.stdio[4]?.on('error', () => undefined)
    begun.once('close', () => (child = child === begun ? undefined : child))
    return begun
  }
  const perform = (job: object): Promise<HerokuRun> =>
    new Promise((resolve) => {
      const by = (child ??= begin())
      const results = createInterface({ input: by.stdio[3] as Readable })
      const hung = setTimeout(() => by.kill('SIGKILL'), timeoutMs)
      const done = (run: HerokuRun): void => {
        clearTimeout(hung)
        results.close()
        by.removeListener('close', died)
        resolve(run)
      }
      const died = (): void => done(none)
      results.once('line', (text) => done({ ...(JSON.parse(text) as HerokuRun), hung: false }))
      by.once('close', died)
      ;(by.stdio[4] as Writable).write(`${JSON.stringify(job)}\n`)
    })
  return {
    run: (args, at = cwd) => {
      const run = turn.then(() => perform({ args, cwd: at }))
      turn = run
      return run
    },
    close: async () => {
      await turn
      const last = child
      if (last === undefined) return
      const closed = new Promise((resolve) => last.once('close', resolve))
      ;(last.stdio[4] as Writable).end()
      await closed
    },
  }
}

/** Many runs of the stock CLI, and what each printed: in one process; after one that hangs, in another. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { Env } from '../run.ts'

export type HerokuRun = { readonly code: number; readonly output: string; readonly hung: boolean }

const worker = join(import.meta.dirname, 'worker.ts')

/** Quotes hold words together. */
const wordsOf = (line: string): string[] =>
  [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')

/** @param lines command lines after `heroku`, one after the other in one folder */
export const runHeroku = async (
  lines: readonly string[],
  { env, cwd, timeoutMs }: { readonly env: Env; readonly cwd: string; readonly timeoutMs: number },
): Promise<readonly HerokuRun[]> => {
  const runs: HerokuRun[] = []
  while (runs.length < lines.length) {
    const jobs = lines.slice(runs.length).map((line) => ({ args: wordsOf(line), cwd }))
    const before = runs.length
    const own = Object.entries(env).map(([name, value]) => `${name}=${value}`)
    const child = spawn(
      '/usr/bin/env',
      ['-i', ...own, 'node', '--no-deprecation', worker, JSON.stringify(jobs)],
      {
        cwd,
        stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
      },
    )
    const results = createInterface({ input: child.stdio[3] as Readable })
    let hung = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    results.on('line', (text) => {
      clearTimeout(hung)
      hung = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
      runs.push({ ...(JSON.parse(text) as Omit<HerokuRun, 'hung'>), hung: false })
    })
    await new Promise<void>((resolve) => child.once('close', () => resolve()))
    clearTimeout(hung)
    // The one that it was about has no outcome.
    if (runs.length < before + jobs.length) runs.push({ code: 1, output: '', hung: true })
  }
  return runs
}

/**
 * Seeds over worker processes, one for each processor: a seed runs in one process and knows nothing of
 * others.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'

export type Job = { readonly scenario: string; readonly seed: number }
export type Outcome = Job & {
  readonly violations: readonly string[]
  readonly events: number
  readonly virtualMs: number
  readonly hash: string
}

/**
 * Runs all jobs, and calls back with each outcome as it comes. Resolves when all are done.
 *
 * @throws Error when a worker process dies
 */
export const runPool = async (
  jobs: readonly Job[],
  workers: number,
  onOutcome: (outcome: Outcome) => void,
): Promise<void> => {
  const waiting = [...jobs].reverse()
  const open: ChildProcess[] = []
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      // What a test runner injects is for its own process.
      const child = fork(join(import.meta.dirname, 'worker.ts'), [], { execArgv: [], env: {} })
      open.push(child)
      const next = (): void => {
        const job = waiting.pop()
        if (job !== undefined) child.send(job)
        else child.disconnect()
      }
      child.on('message', (outcome: Outcome) => {
        onOutcome(outcome)
        next()
      })
      child.once('error', reject)
      child.once('exit', (code) => {
        if (code === 0) resolve()
        else reject(new Error(`a worker of the simulation ended with ${code}`))
      })
      next()
    })
  try {
    await Promise.all(Array.from({ length: Math.min(workers, jobs.length) }, one))
  } finally {
    for (const child of open) child.kill()
  }
}

/** One worker process of the simulation: runs the seeds that it is sent, one after the other. */
import { scenarios } from './scenarios.ts'
import type { Job, Outcome } from './pool.ts'

process.on('message', (job: Job) => {
  void run(job).then((outcome) => process.send?.(outcome))
})

const run = async ({ scenario, seed }: Job): Promise<Outcome> => {
  const found = scenarios.find((one) => one.name === scenario)
  if (found === undefined) throw new Error(`no scenario ${scenario}`)
  try {
    const { violations, events, virtualMs, hash } = await found.run(seed)
    return { scenario, seed, violations, events, virtualMs, hash }
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : 'failed'
    return {
      scenario,
      seed,
      violations: [`the run itself failed: ${text}`],
      events: 0,
      virtualMs: 0,
      hash: '',
    }
  }
}

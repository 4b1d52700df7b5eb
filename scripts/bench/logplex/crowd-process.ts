/**
 * A process for one measurement of many channels: it is told which one, says what came of it, and ends with
 * its parent.
 */
import { openEnds } from './ends.ts'
import { weighIdle, type Idle } from './crowd-idle.ts'
import { runCrowd, type Crowd } from './crowd-run.ts'

export type Job = ({ readonly what: 'idle' } & Idle) | ({ readonly what: 'crowd' } & Crowd)
export type Result = { readonly failed: string } | { readonly result: object }

const ends = openEnds()
/** Nobody hears it who is gone; and that it cannot be said is no fault that could be told. */
const tell = (said: Result): void => {
  if (process.connected) process.send?.(said, () => undefined)
}
process.on('disconnect', () => void ends.close().finally(() => process.exit()))
process.on('uncaughtException', (error) => tell({ failed: error.stack ?? error.message }))
process.once('message', (job: Job) => {
  const work = job.what === 'idle' ? weighIdle(job) : runCrowd(job, ends)
  void work
    .then((result): Result => ({ result }))
    .catch((error: unknown): Result => ({ failed: error instanceof Error ? (error.stack ?? '') : 'unknown' }))
    .then(tell)
})

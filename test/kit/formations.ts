/** A formation driven by hand: released, placed and reported on by the test. */
import { formationRecord } from '../../actors/formation/kept.ts'
import type { Formed } from '../../actors/formation/record.ts'
import { formation } from '../../actors/formation.ts'
import type { Release, RunReport, Slug } from '../../actors/protocols/shapes.ts'
import { drive } from './drive.ts'

export const by = { id: 'u1', email: 'e@example.com' }
export const slug: Slug = {
  id: 'slug-1',
  sha256: '0'.repeat(64),
  bytes: 1,
  stack: 'heroku-24',
  commit: '60a874b3',
  description: 'Deploy 60a874b3',
  processTypes: { web: 'web', worker: 'worker', release: 'migrate' },
  buildpackDescription: 'Procfile',
  createdAt: 1,
}
export const releaseOf = (version: number): Release => ({
  id: `release-${version}`,
  version,
  description: 'Deploy',
  status: 'succeeded',
  userId: by.id,
  userEmail: by.email,
  configId: `config-${version}`,
  slug,
  createdAt: 1,
  updatedAt: 1,
})
export const appId = 'app-1'

/** Placement gives every run of the oldest open question that host. */
export const place = (f: Pick<ReturnType<typeof placed>, 'asked' | 'answered'>, host: string): void => {
  const { runs } = f.asked[0]!.message as unknown as { runs: { runId: string }[] }
  f.answered('place', { placed: runs.map(({ runId }) => ({ runId, host })), failed: null })
}
/** A formation whose one web dyno was placed on host `h` and told to it. */
export const placed = () => {
  const f = drive(formation, { key: appId, args: undefined })
  f.send({ type: 'open', appName: 'demo' })
  f.send({ type: 'released', release: releaseOf(3), by })
  place(f, 'h')
  return f
}
export const tellsTo = (f: ReturnType<typeof placed>, type: string) =>
  f.told.filter((told) => told.message.type === type).map((told) => told.message as Record<string, unknown>)
export const reportOf = (f: ReturnType<typeof placed>, phase: RunReport['phase']): RunReport => {
  const { run } = tellsTo(f, 'launch')[0] as unknown as {
    run: { id: string; name: string; epoch: number; releaseVersion: number }
  }
  const where =
    phase === 'up'
      ? { address: '10.0.0.1', port: 3000, outer: null }
      : { address: null, port: null, outer: null }
  return {
    id: run.id,
    appId,
    name: run.name,
    epoch: run.epoch,
    releaseVersion: run.releaseVersion,
    phase,
    ...where,
    startedAt: 1,
    code: null,
    error: null,
  }
}
export const record = (f: ReturnType<typeof placed>): Formed => formationRecord.load(f.saved()!, appId)

/** What hosts do at their best: every run that waits gets a place, and each that was sent is up. */
export const settleAll = (f: ReturnType<typeof placed>): void => {
  while (f.asked.length > 0) place(f, 'h')
  for (const { run, name } of record(f).slots) if (run?.phase === 'sent') report(f, name, run.id, 'up')
  while (f.ran.some(({ name }) => name === 'usage.enter')) f.done('usage.enter')
}
/** The host says so of one run. */
export const report = (
  f: ReturnType<typeof placed>,
  name: string,
  id: string,
  phase: RunReport['phase'],
  more: Partial<RunReport> = {},
): void => {
  const where = phase === 'up' ? { address: '10.0.0.1', port: 3000 } : { address: null, port: null }
  const none = { appId, epoch: 1, releaseVersion: 3, outer: null, startedAt: 1, code: null, error: null }
  f.send({ type: 'dynoChanged', host: 'h', report: { ...none, id, name, phase, ...where, ...more } })
}
export const said = (f: ReturnType<typeof placed>): string[] =>
  f.said.map(({ process, text }) => `${process} ${Buffer.from(text).toString()}`)

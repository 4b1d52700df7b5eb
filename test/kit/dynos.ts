/** Dynos driven by hand: runs to give them, and what they told, said and became. */
import { dyno, type Adopted } from '../../actors/dyno.ts'
import type { Run, RunReport } from '../../actors/protocols/shapes.ts'
import { drive, textsOf } from './drive.ts'

export const runOf = (id: string, more: Partial<Run> = {}): Run => ({
  id,
  appId: 'app-1',
  appName: 'demo',
  name: 'web.1',
  type: 'web',
  command: 'serve $PORT ${PORT:-1} $PORTAL',
  size: 'Basic',
  releaseId: 'release-3',
  releaseVersion: 3,
  configId: 'config',
  slug: {
    id: 'slug-1',
    sha256: '0'.repeat(64),
    bytes: 1,
    stack: 'heroku-24',
    commit: '60a874b3',
    description: 'Deploy',
    processTypes: {},
    buildpackDescription: '',
    createdAt: 1,
  },
  env: {},
  attach: null,
  singleton: false,
  timeToLiveMs: null,
  epoch: 10,
  ...more,
})
type Driven = { readonly told: readonly { readonly message: { readonly type: string } }[] }
export const tells = (d: Driven, type: string) =>
  d.told
    .filter((one) => one.message.type === type)
    .map((one) => one.message as unknown as Record<string, unknown>)
export const said = textsOf
export const announced = (d: Driven): RunReport[] =>
  (tells(d, 'announced')
    .filter((m) => 'runs' in m && Array.isArray(m['runs']))
    .at(-1)?.['runs'] ?? []) as RunReport[]
export const phases = (d: Driven) => tells(d, 'dynoChanged').map((m) => (m['report'] as RunReport).phase)

export const launched = (more: Partial<Run> = {}, adopted: Adopted | null = null) =>
  drive(dyno, { key: 'run-1', args: { run: runOf('run-1', more), adopted } })
/** Its process runs; nothing listens yet. */
export const begun = (more: Partial<Run> = {}) => {
  const d = launched(more)
  d.done('container.prepare')
  d.done('container.start', { address: '10.0.0.1', port: 4711, outer: null, startedAt: d.nowMs })
  return d
}

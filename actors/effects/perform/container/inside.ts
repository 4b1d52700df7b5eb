/**
 * Into a dyno that runs on this host: a shell, a command, its files or one of its ports, by one more process
 * in it (spec/dyno.md §1.18).
 *
 * As on Heroku such a session has no config vars, but what `.profile.d` sets.
 */
import { OciError } from '../../../../src/oci/errors.ts'
import type { Driver, Executed, ExecSpec } from '../../../../src/oci/driver.ts'
import { filesArgv, loopbackArgv } from '../../../../src/ssh/helpers.ts'
import type { Wish } from '../../../../src/ssh/server.ts'
import type { Run } from '../../../protocols/shapes.ts'
import { processArgv, sessionEnv } from './environment.ts'

export type Inside = {
  /** Rejects as the driver's `exec` does. */
  readonly fulfil: (runId: string, wish: Wish) => Promise<Executed>
}

export const openInside = (driver: Driver): Inside => ({
  fulfil: async (runId, wish) => {
    const found = (await driver.list()).find(({ id }) => id === runId)
    const { run: text, kind, port } = found?.labels ?? {}
    if (kind !== 'dyno' || text === undefined) throw new OciError('OCI_UNKNOWN', runId)
    const run = JSON.parse(text) as Run
    const env = sessionEnv(run, { appDir: '/app', port: Number(port) })
    return driver.exec(runId, specOf(wish, env))
  },
})

const specOf = (wish: Wish, env: Readonly<Record<string, string>>): ExecSpec => {
  const place = { cwd: '/app', env }
  if (wish.kind === 'files') return { ...place, argv: filesArgv }
  if (wish.kind === 'connect') return { ...place, argv: loopbackArgv(wish.port) }
  const argv = processArgv(wish.kind === 'shell' ? 'bash' : wish.command)
  if (wish.terminal === null) return { ...place, argv }
  const { kind, columns, rows } = wish.terminal
  return { ...place, argv, env: { ...env, TERM: kind }, terminal: { columns, rows } }
}

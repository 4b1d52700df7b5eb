/**
 * Clients of attached processes on this host: a one-off's own, and those of commands run beside a dyno's
 * process.
 */
import type { Duplex } from 'node:stream'
import { heroku } from '../../../../config/heroku.ts'
import { EffectFailed, type Effects } from '../../../../src/ports/effects.ts'
import { OciError } from '../../../../src/oci/errors.ts'
import type { Attached, Driver } from '../../../../src/oci/driver.ts'
import type { Rendezvous } from '../../../../src/rendezvous/rendezvous.ts'
import type { Run } from '../../../protocols/shapes.ts'
import { asEffectFailure } from '../names.ts'
import type { Vault } from '../vault.ts'
import { asksForMarker, joinAttached, statusLine, type Joined } from './attached.ts'
import { processArgv, processEnv } from './environment.ts'

type ClientDeps = {
  readonly driver: Driver
  readonly vault: Vault
  readonly rendezvous: Rendezvous
  readonly attachElsewhere?: (host: string, token: string) => Promise<Duplex> | undefined
  readonly now: () => number
  readonly appDomain: string
}
type Attach = NonNullable<Run['attach']>
type Inside = {
  readonly run: Run
  readonly port: number
  readonly command: string
  readonly attach: Attach
  readonly env: Run['env']
}

/** Status of a command that could not be run. */
const notRunCode = 126

export const openClients = (deps: ClientDeps) => {
  const { driver, now } = deps
  const joined = new Map<string, Joined>()

  /** Whichever host it is waited for at: no client, no run. */
  const clientOf = async ({ host, token }: Attach): Promise<Duplex> => {
    try {
      const elsewhere = deps.attachElsewhere?.(host, token)
      return await (elsewhere ?? deps.rendezvous.expect(token, heroku.attachTimeoutMs))
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'no client'
      throw new EffectFailed('attach_timeout', reason, { cause: error })
    }
  }

  const isRunning = async (runId: string): Promise<boolean> =>
    (await driver.list()).some(({ id, state }) => id === runId && state === 'running')

  const inside = async ({ run, port, command, attach, env }: Inside): Promise<void> => {
    const client = await clientOf(attach)
    const { terminal } = attach
    const wantsMarker = asksForMarker(command)
    try {
      const vars = await deps.vault.open(run.appId, run.configId)
      const place = { appDir: '/app', port, domain: deps.appDomain }
      const executed = await driver.exec(run.id, {
        argv: processArgv(command),
        cwd: place.appDir,
        env: processEnv({ ...run, env: { ...run.env, ...env } }, vars, place),
        ...(terminal === null ? { merge: true } : { terminal }),
      })
      executed.errors.resume()
      const it = joinAttached(client, executed, { hasTerminal: terminal !== null, wantsMarker, now })
      closeWhenQuiet(it)
      void it.left.then((left) => {
        if (left) executed.hangup()
      })
    } catch (error) {
      const text = error instanceof Error ? error.message : 'it could not be run'
      client.end(`${text}\r\n${wantsMarker ? statusLine(notRunCode) : ''}`)
      throw error instanceof OciError
        ? new EffectFailed(error.code, error.message, { cause: error })
        : asEffectFailure(error)
    }
  }

  const effects: Effects = {
    'container.client': async ({ runId }: { runId: string }) => ({
      // One that was attached to a host process which is no more.
      left: await (joined.get(runId)?.left ?? isRunning(runId)),
    }),
    'container.quiet': async ({ runId }: { runId: string }) => ({
      quietMs: joined.get(runId)?.quietMs() ?? 0,
    }),
    'container.dismiss': async ({ runId }: { runId: string }) => joined.get(runId)?.close(),
    'container.inside': inside,
  }

  return {
    effects,
    of: clientOf,
    join: (run: Run, client: Duplex, attached: Attached): void => {
      const hasTerminal = run.attach?.terminal != null
      const wantsMarker = asksForMarker(run.command)
      joined.set(run.id, joinAttached(client, attached, { hasTerminal, wantsMarker, now }))
    },
    forget: (runId: string): void => void joined.delete(runId),
  }
}

/** As a one-off's client, but nobody's timers run for this one. */
const closeWhenQuiet = ({ done, quietMs, close }: Joined): void => {
  let timer: NodeJS.Timeout
  const look = (): void => {
    const leftMs = heroku.attachedIdleMs - quietMs()
    if (leftMs <= 0) close()
    else timer = setTimeout(look, leftMs).unref()
  }
  look()
  void done.finally(() => clearTimeout(timer))
}

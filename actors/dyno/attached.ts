/**
 * The client of an attached run, as its Dyno sees to it: who has gone is hung up on, who says nothing for an
 * hour is sent away (spec/dyno.md §1.8, §1.11). Also commands that are run beside a dyno's own process.
 */
import type { AskCtx, Ctx, MessageOf } from '../../src/runtime/index.ts'
import { heroku } from '../../config/heroku.ts'
import { Container } from '../effects/container.ts'
import type { Dyno } from '../protocols/dyno.ts'
import type { Run } from '../protocols/shapes.ts'
import { say } from '../say.ts'
import { expandType } from './command.ts'

type Self = Ctx<typeof Dyno>
/** What of a Dyno's state this is about. */
type Attached = {
  readonly run: Run
  readonly phase: 'launching' | 'starting' | 'up' | 'stopping' | 'exited'
  readonly port: number | null
  /** How often it was hung up. */
  readonly hangups: number
}

/** Once it runs, just started or found again. */
export const watchClient = ({ id, attach }: Run, ctx: Self): void => {
  if (attach === null) return
  ctx.run(Container.client({ runId: id }), ({ left }) => ({ type: 'clientGone', left }))
  ctx.after('idle', heroku.attachedIdleMs, { type: 'idleDue' })
}

export const clientGone = <S extends Attached>(s: S, left: boolean, ctx: Self): S => {
  ctx.cancel('idle')
  if (!left || !runs(s) || s.hangups > 0) return s
  tellLog(s, 'Client connection closed. Sending SIGHUP to all processes', ctx)
  return hangUp(s, ctx)
}

/** SIGHUP some times; who is still there after the last is left alone. */
export const hangUp = <S extends Attached>(s: S, ctx: Self): S => {
  if (!runs(s)) return s
  if (s.hangups >= heroku.hangupsMax) {
    tellLog(
      s,
      'Error R16 (Detached) -> An attached process is not responding to SIGHUP after its external connection was closed.',
      ctx,
    )
    return s
  }
  ctx.run(Container.signal({ runId: s.run.id, signal: 'SIGHUP' }))
  ctx.after('hangup', heroku.hangupPauseMs, { type: 'hangupDue' })
  return { ...s, hangups: s.hangups + 1 }
}

export const askQuiet = <S extends Attached>(s: S, ctx: Self): S => {
  if (runs(s)) ctx.run(Container.quiet({ runId: s.run.id }), (quiet) => ({ type: 'clientQuiet', ...quiet }))
  return s
}

/** Whom it is about hears of it as of any client that goes. */
export const clientQuiet = <S extends Attached>(s: S, quietMs: number, ctx: Self): S => {
  const leftMs = heroku.attachedIdleMs - quietMs
  if (leftMs > 0) ctx.after('idle', leftMs, { type: 'idleDue' })
  else ctx.run(Container.dismiss({ runId: s.run.id }))
  return s
}

/** Another process beside the run's own. */
export const runInside = <S extends Attached>(
  s: S,
  m: MessageOf<typeof Dyno, 'inside'>,
  ctx: AskCtx<typeof Dyno, object>,
): S => {
  const { run, port } = s
  if (!runs(s) || port === null) {
    ctx.refuseCaller('invalid_params', `The dyno ${run.name} is not running.`)
    return s
  }
  const command = expandType(m.command, run.slug.processTypes)
  const attach = { host: ctx.caller.host, token: m.attachToken, terminal: m.terminal }
  ctx.run(Container.inside({ run, port, command, attach, env: m.env }))
  say(ctx, run.appId, 'app', 'api', `Starting process with command \`${m.command}\` by user ${m.by.email}`)
  ctx.reply({})
  return s
}

const runs = ({ phase }: Attached): boolean => phase === 'starting' || phase === 'up'

const tellLog = ({ run }: Attached, text: string, ctx: Self): void =>
  say(ctx, run.appId, 'heroku', run.name, text)

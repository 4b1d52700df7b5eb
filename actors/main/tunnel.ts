/**
 * The SSH side of `heroku ps:exec`, `ps:copy`, `ps:forward` and `ps:socks`: who may come in and to which
 * dyno, and the server that lets them in.
 *
 * The stock CLI dials port 80, which may be taken or not ours: the host goes on without, says so once, and
 * tries again when somebody wants in.
 */
import type { Settings } from '../../config/load.ts'
import type { Executed } from '../../src/oci/driver.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Random } from '../../src/ports/random.ts'
import { connectedByte } from '../../src/ssh/helpers.ts'
import { hostKeyFrom } from '../../src/ssh/host-key.ts'
import { createReservations } from '../../src/ssh/reservations.ts'
import { isPublicKey, openSshServer, type SshServer, type Wish } from '../../src/ssh/server.ts'
import type { Tunnel } from '../api/face/exec.ts'

export type TunnelDeps = {
  readonly listen: Settings['ssh']
  /** What all control hosts of the cluster have, and nobody else. */
  readonly secret: string | undefined
  readonly inside: (host: string, runId: string, wish: Wish) => Promise<Executed>
  readonly random: Random
  readonly clock: Clock
  readonly log: Log
}

const hourMs = 3_600_000
/** `ps:forward` connects anew for every connection that it forwards, for as long as it runs. */
const reserved = { max: 1_000, idleMs: hourMs, lifeMs: 24 * hourMs }
const userLength = 40

export const openTunnel = async (
  deps: TunnelDeps,
): Promise<Tunnel & { readonly close: () => Promise<void> }> => {
  const { listen, secret, random, log } = deps
  const hostKey = secret === undefined ? undefined : hostKeyFrom(secret)
  const reservations = createReservations<{ readonly host: string; readonly runId: string }>(
    reserved,
    () => deps.clock.now(),
    () => random.token(userLength),
  )
  let opening: Promise<SshServer> | undefined

  const open = (): Promise<SshServer> => {
    if (listen === undefined) throw new Error('MANIFOLD_SSH=off')
    if (hostKey === undefined) throw new Error('this host does not hold the keys of its cluster')
    return openSshServer({
      listen,
      hostKey: hostKey.private,
      connectedByte,
      userOf: (name) => {
        const found = reservations.find(name)
        if (found === undefined) return undefined
        const { host, runId } = found.grant
        return { key: found.key, fulfil: (wish) => deps.inside(host, runId, wish) }
      },
    })
  }
  const refusal = async (): Promise<string | undefined> => {
    try {
      opening ??= open()
      await opening
      return undefined
    } catch (error) {
      opening = undefined
      const reason = error instanceof Error ? error.message : 'unknown'
      return `SSH into dynos is off on this host: ${reason}`
    }
  }
  const first = await refusal()
  if (first !== undefined && listen !== undefined)
    log({ at: 'ssh-off', address: `${listen.host}:${listen.port}`, reason: first, see: 'MANIFOLD_SSH' })

  return {
    host: listen?.host ?? '',
    hostKey: hostKey?.public ?? '',
    refusal,
    isKey: isPublicKey,
    reserve: (key, grant) => reservations.reserve({ key, grant }),
    close: async () => {
      const server = await opening?.catch(() => undefined)
      await server?.close()
    },
  }
}

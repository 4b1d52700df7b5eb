/**
 * Into a dyno wherever it runs: on this host at once, on another by asking that host, which gives a token for
 * the connection that carries the process (src/peers/executed.ts).
 */
import type { Duplex } from 'node:stream'
import type { Executed } from '../../src/oci/driver.ts'
import type { Peers } from '../../src/peers/client.ts'
import { PeerRefusal, type Peer } from '../../src/peers/contract.ts'
import { carried, carry } from '../../src/peers/executed.ts'
import type { Clock, Timer } from '../../src/ports/clock.ts'
import type { Random } from '../../src/ports/random.ts'
import { checker, is, type Static } from '../../src/runtime/schema.ts'
import type { Wish } from '../../src/ssh/server.ts'
import type { Inside } from '../effects/perform/container/inside.ts'

const insidePath = '/inside'
const tokenLength = 40
/** Between an answer and the connection that its token is for. */
const fetchMs = 10_000
const unfetchedMax = 100

const terminalShape = is.orNull(is.obj({ kind: is.text(64), columns: is.int, rows: is.int }))
const wishShape = is.union(
  is.obj({ kind: is.lit('shell'), terminal: terminalShape }),
  is.obj({ kind: is.lit('exec'), command: is.text(64 * 1024), terminal: terminalShape }),
  is.obj({ kind: is.lit('files') }),
  is.obj({ kind: is.lit('connect'), port: is.int }),
)
const bodyShape = is.obj({ runId: is.text(64), wish: wishShape })
const answerShape = is.obj({ token: is.text(64) })
const misfit = { body: checker(bodyShape), answer: checker(answerShape) }

export type InsideServer = {
  readonly calls: Readonly<Record<string, (body: unknown, peer: Peer) => Promise<unknown>>>
  /** The connection that the token is for; undefined: it is for none of these. */
  readonly take: (token: string) => Duplex | undefined
}

/** @param admits whether that host may ask: those that users connect to */
export const serveInside = (deps: {
  readonly inside: Inside
  readonly admits: (peer: Peer) => boolean
  readonly random: Random
  readonly clock: Clock
}): InsideServer => {
  const unfetched = new Map<string, { readonly duplex: Duplex; readonly late: Timer }>()
  const begin = async (body: unknown, peer: Peer): Promise<unknown> => {
    if (!deps.admits(peer)) throw new PeerRefusal('forbidden', `${peer.name} is no control host`)
    const fault = misfit.body(body)
    if (fault !== undefined) throw new PeerRefusal('bad_request', `${fault.path}: ${fault.want}`)
    if (unfetched.size >= unfetchedMax) throw new PeerRefusal('busy', 'too many wait for their connection')
    const { runId, wish } = body as Static<typeof bodyShape>
    const executed = await deps.inside.fulfil(runId, wish).catch((error: unknown) => {
      throw new PeerRefusal('not_run', error instanceof Error ? error.message : 'it could not be run')
    })
    const token = deps.random.token(tokenLength)
    const duplex = carry(executed)
    const late = deps.clock.after(fetchMs, () => {
      unfetched.delete(token)
      duplex.destroy()
    })
    unfetched.set(token, { duplex, late })
    return { token } satisfies Static<typeof answerShape>
  }
  return {
    calls: { [insidePath]: begin },
    take: (token) => {
      const found = unfetched.get(token)
      unfetched.delete(token)
      found?.late.cancel()
      return found?.duplex
    },
  }
}

/** @returns what runs `wish` in a run of a host, which may be this one */
export const insideOf =
  (deps: {
    readonly self: string
    readonly inside: Inside
    readonly peers: Pick<Peers, 'call' | 'attach'>
  }) =>
  async (host: string, runId: string, wish: Wish): Promise<Executed> => {
    if (host === deps.self) return deps.inside.fulfil(runId, wish)
    const answer = await deps.peers.call(host, insidePath, { runId, wish })
    const fault = misfit.answer(answer)
    if (fault !== undefined)
      throw new PeerRefusal('bad_answer', `${host} answered ${fault.path}: ${fault.want}`)
    return carried(await deps.peers.attach(host, (answer as Static<typeof answerShape>).token))
  }

/**
 * What builds of another host say: fetched from it piece by piece, each asked for with the byte it begins at,
 * so that a lost answer loses and doubles nothing.
 */
import { StringDecoder } from 'node:string_decoder'
import type { OutputHub, OutputWatcher } from '../../src/output/hub.ts'
import type { Peers } from '../../src/peers/client.ts'
import { PeerFailed, PeerRefusal } from '../../src/peers/contract.ts'
import type { Clock, Timer } from '../../src/ports/clock.ts'
import { checker, is, type Static } from '../../src/runtime/schema.ts'

const outputPath = '/output'
/** Less than a call may take. */
const bounds = { bytesMax: 256 * 1024, waitMs: 5_000 }
const againMs = 1_000
/** So long a host may be silent that is not known to be gone. */
const silentMsMax = 120_000
const unknown = ' !     The host of this build does not answer.\n'

const bodyShape = is.obj({ id: is.text(64), from: is.int })
/** `bytes` in base64: a piece may end within a character. */
const partShape = is.obj({ bytes: is.str, ended: is.bool })
const misfit = { body: checker(bodyShape), part: checker(partShape) }

export const serveOutputs = (
  hub: Pick<OutputHub, 'read'>,
): Readonly<Record<string, (body: unknown) => Promise<unknown>>> => ({
  [outputPath]: async (body) => {
    const fault = misfit.body(body)
    if (fault !== undefined) throw new PeerRefusal('bad_request', `${fault.path}: ${fault.want}`)
    const { id, from } = body as Static<typeof bodyShape>
    const part = await hub.read(id, from, bounds)
    if (part === undefined) throw new PeerRefusal('not_found', `there is no output ${id}`)
    return { bytes: part.bytes.toString('base64'), ended: part.ended }
  },
})

export type ElsewhereDeps = {
  readonly peers: Pick<Peers, 'call'>
  readonly clock: Clock
  readonly isGone: (host: string) => boolean
  /** Of that build, when it is over; its host cannot say it any more. */
  readonly lastWords: (id: string) => Promise<string | undefined>
}

/** As OutputHub.watch does. Undefined: that host is there and has no such output. */
export const watchElsewhere = async (
  { peers, clock, isGone, lastWords }: ElsewhereDeps,
  host: string,
  id: string,
  watcher: OutputWatcher,
): Promise<{ readonly close: () => void } | undefined> => {
  let closed = false
  let from = 0
  let heardAt = clock.now()
  let timer: Timer | undefined
  const decoder = new StringDecoder('utf8')
  const end = (last: string): Step => {
    if (last !== '') watcher.onText(last)
    watcher.onEnd()
    return 'over'
  }
  const step = async (): Promise<Step> => {
    const part = await partOf(peers, host, id, from)
    if (closed) return 'over'
    if (part instanceof PeerFailed) {
      const isRefused = part.code === 'peer_refused'
      if (isRefused && part.reason === 'not_found' && from === 0) return 'none'
      const isSilent = isRefused || clock.now() - heardAt > silentMsMax
      if (!isSilent && !isGone(host)) return 'later'
      const words = await lastWords(id).catch(() => undefined)
      if (closed) return 'over'
      return words === undefined && !isSilent ? 'later' : end(words ?? unknown)
    }
    heardAt = clock.now()
    from += part.bytes.length
    const text = decoder.write(part.bytes)
    if (text !== '') watcher.onText(text)
    return part.ended ? end(decoder.end()) : 'next'
  }
  const follow = async (last: Step): Promise<void> => {
    let now = last
    while (now === 'next') now = await step()
    if (now === 'later' && !closed) timer = clock.after(againMs, () => void follow('next'))
  }
  const first = await step()
  if (first === 'none') return undefined
  void follow(first)
  return {
    close: () => {
      closed = true
      timer?.cancel()
    },
  }
}

type Step = 'none' | 'next' | 'later' | 'over'

const partOf = async (
  peers: ElsewhereDeps['peers'],
  host: string,
  id: string,
  from: number,
): Promise<{ bytes: Buffer; ended: boolean } | PeerFailed> => {
  try {
    const answer = await peers.call(host, outputPath, { id, from })
    const fault = misfit.part(answer)
    if (fault !== undefined) return new PeerFailed('peer_broken', `${fault.path}: ${fault.want}`)
    const { bytes, ended } = answer as Static<typeof partShape>
    return { bytes: Buffer.from(bytes, 'base64'), ended }
  } catch (error) {
    return error instanceof PeerFailed ? error : new PeerFailed('peer_broken', 'it failed', { cause: error })
  }
}

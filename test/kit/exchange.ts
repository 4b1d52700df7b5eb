/**
 * One exchange of raw bytes as data, and how it is played: a client sends, with one more request right behind
 * it; a dyno answers each request that a strict reader makes out. What comes of it is told in two lines that
 * can be compared between routers.
 */
import type { Peer } from './proxy.ts'
import { raw, type Place, type PlaceOptions } from './stage.ts'
import { readRequests, readResponses, type Message } from './strict.ts'
import { until } from './until.ts'

export type Exchange = {
  /** Of the list in `spec/router.md` §5, and what it is about in words. */
  readonly name: string
  /** Cases of vegur's suites that it stands for. */
  readonly vegur?: readonly string[]
  /** As `raw` of the stage reads it. The request behind it is added. */
  readonly send: string
  /**
   * The client sends its FIN, and no request behind it: at once, or when the dyno has been asked. Of who
   * leaves before it is known whose request it was there is no line, for there is no app to tell.
   */
  readonly ends?: 'at once' | 'once asked'
  /**
   * What the dyno answers, in order, the last one again and again; default: 200 with the body `hi`. What
   * stands behind ‖ comes once the client has seen what stands before it.
   */
  readonly answer?: string | readonly string[]
  /** The dyno answers as soon as a request's head is there. */
  readonly early?: boolean
  /** The dyno ends its side after its first answer, or breaks the connection off. */
  readonly afterwards?: 'end' | 'reset'
  readonly place?: Omit<PlaceOptions, 'onDyno'>
  /** Outcome at the client: statuses with bodies in order, then `kept` or `closed`. */
  readonly client: string
  /** Outcome at the dyno: `METHOD target framing [body] {trailers}` of each whole request it was sent. */
  readonly dyno: readonly string[]
  /** How many connections the dyno had. */
  readonly connections?: number
  /** Of all that the dyno was sent, and of all that the client was sent. */
  readonly dynoSees?: RegExp
  readonly dynoSeesNot?: RegExp
  readonly clientSees?: RegExp
  readonly clientSeesNot?: RegExp
  /** Of the access line. */
  readonly line?: RegExp
}

export type Outcome = {
  readonly client: string
  readonly dyno: readonly string[]
  readonly connections: number
  readonly clientText: string
  readonly dynoText: string
}

const probe = 'GET /probe HTTP/1.1\nHost: HOST\n\n'
const probed = 'probed'
const playMsMax = 10_000
export const ok = (body = 'hi', more = ''): string =>
  `HTTP/1.1 200 OK\n${more}Content-Length: ${body.length}\n\n${body}`

/** What the client has seen so far, for a dyno that waits for it. */
export type Sight = { text: string; onMore: () => void }
export const sightless = (): Sight => ({ text: '', onMore: () => undefined })

/** What the dyno does on each of its connections. */
export const answering = (
  { answer, early = false, afterwards }: Pick<Exchange, 'answer' | 'early' | 'afterwards'>,
  sight: Sight,
): ((peer: Peer) => void) => {
  const answers = typeof answer === 'string' ? [answer] : (answer ?? [ok()])
  let answered = 0
  const end = (peer: Peer): void => {
    if (afterwards === 'end') peer.socket.end()
    // Once the answer has left: a reset takes with it what was not sent.
    else if (afterwards === 'reset') setImmediate(() => peer.socket.resetAndDestroy())
  }
  const say = (peer: Peer, parts: readonly string[]): void => {
    const [part = '', ...more] = parts
    if (part !== '') peer.send(raw(part, ''))
    if (more.length === 0) return end(peer)
    const before = sight.text.length
    sight.onMore = () => {
      if (sight.text.length > before) say(peer, more)
    }
  }
  return (peer) => {
    let seen = 0
    const look = (): void => {
      let messages: readonly Message[]
      try {
        ;({ messages } = readRequests(peer.text))
      } catch {
        // It shows in the outcome.
        return
      }
      for (; seen < messages.length; seen += 1) {
        const message = messages[seen] as Message
        if (!message.whole && !early) return
        if (message.line.includes(' /probe ')) {
          peer.send(raw(ok(probed), ''))
          continue
        }
        say(peer, (answers[Math.min(answered, answers.length - 1)] as string).split('‖'))
        answered += 1
      }
    }
    peer.socket.on('data', look)
  }
}

const bodyOf = (body: string): string => (body.length > 60 ? `${body.slice(0, 8)}…${body.length}` : body)

const trailersOf = ({ trailers }: Message): string =>
  trailers === '' ? '' : ` {${trailers.replaceAll('\r\n', ', ')}}`

const told = (message: Message): string => {
  const body = message.body === '' ? '' : ` [${bodyOf(message.body)}]`
  return `${message.line.replace(/ HTTP.*/, '')} ${message.framing}${body}${trailersOf(message)}`
}

/**
 * Of everything that the dyno was sent: the whole requests. One that was broken off may have reached it or
 * not, as the bytes came, but is never left open.
 */
const atDyno = (place: Place): readonly string[] =>
  place.dyno.peers.flatMap((peer) => {
    try {
      const { messages, rest } = readRequests(peer.text)
      const isLeft = (messages.some(({ whole }) => !whole) || rest !== '') && !peer.ended && !peer.closed
      return [...messages.filter(({ whole }) => whole).map(told), ...(isLeft ? ['left open'] : [])]
    } catch (error) {
      return [`unclear: ${error instanceof Error ? error.message : 'what'}`]
    }
  })

/** Of the router's own making. */
export const isPage = (message: Message): boolean => /^(<!DOCTYPE|<html|\{)/i.test(message.body)

const atClient = (text: string, methods: readonly string[], ended: boolean): string => {
  try {
    const { messages, rest } = readResponses(text, { methods, ended })
    const parts = messages.map((message) => {
      const status = message.line.slice(9, 12)
      const body = isPage(message) ? '(page)' : bodyOf(message.body)
      return `${status}${body === '' ? '' : ` ${body}`}${trailersOf(message)}${message.whole ? '' : ' …'}`
    })
    if (rest !== '') parts.push(`rest ${JSON.stringify(rest.slice(0, 60))}`)
    return parts.join(', ')
  } catch (error) {
    return `unclear: ${error instanceof Error ? error.message : 'what'}`
  }
}

/** Plays it, whole or in pieces of so many bytes. */
export const play = async (
  place: Place,
  exchange: Exchange,
  sight: Sight,
  pieceBytes = Infinity,
): Promise<Outcome> => {
  const client = place.client()
  client.socket.on('data', () => {
    sight.text = client.text
    sight.onMore()
  })
  const text = raw(exchange.ends === undefined ? exchange.send + probe : exchange.send, place.host)
  for (let at = 0; at < text.length; at += pieceBytes) {
    client.send(text.slice(at, at + pieceBytes))
    if (pieceBytes < text.length) await new Promise(setImmediate)
  }
  if (exchange.ends === 'once asked')
    await until(() => place.dyno.peers.some((peer) => peer.text !== ''), { what: 'the dyno to be asked' })
  if (exchange.ends !== undefined) client.socket.end()
  const methods = [...text.matchAll(/^([A-Z]+) [^\r\n]* HTTP\/\d\.\d\r$/gm)].map(
    ([, method]) => method as string,
  )
  const kept = () => client.text.endsWith(probed)
  const closed = () => client.ended || client.closed
  let end: string
  try {
    await until(() => kept() || closed(), { what: 'an outcome', timeoutMs: playMsMax })
    end = kept() ? 'kept' : 'closed'
  } catch {
    end = 'stuck'
  }
  const dyno = () => atDyno(place).filter((one) => !one.startsWith('GET /probe'))
  await until(() => !dyno().includes('left open'), {
    what: 'a broken request to end',
    timeoutMs: 10_000,
  }).catch(() => undefined)
  const seen = atClient(client.text, methods, closed()).replace(new RegExp(`(, )?200 ${probed}$`), '')
  return {
    client: seen === '' ? end : `${seen}, ${end}`,
    dyno: dyno(),
    connections: place.dyno.peers.length,
    clientText: client.text,
    dynoText: place.dyno.peers.map((peer) => peer.text).join(''),
  }
}

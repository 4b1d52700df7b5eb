/** What must hold whatever is thrown: each returns what is wrong, or null. */
import { answering, sightless } from '../../kit/exchange.ts'
import type { Stage } from '../../kit/stage.ts'
import { readRequests, readResponses, Unclear, type Message } from '../../kit/strict.ts'
import { until } from '../../kit/until.ts'
import type { Thrown } from './grammar.ts'
import { answerThrough, piecesOf, requestsThrough, type Through } from './through.ts'

const playMsMax = 5000
const withHost = (text: string, host: string): string => text.replaceAll('HOST', host)

/** What a message says, whatever its chunks are. */
const meaning = ({ line, headers, framing, body, trailers }: Message): string =>
  JSON.stringify({ line, headers, framing, body, trailers })

/** Each whole text as a strict reader takes it: one message, and nothing behind it. */
const strictly = (texts: Through['whole'], read: (text: string) => readonly Message[]): string[] =>
  texts.map((text) => {
    if (text === null) return 'refused'
    const messages = read(text)
    const [first] = messages
    if (messages.length !== 1 || first === undefined || !first.whole)
      throw new Error(`${messages.length} messages where one was forwarded: ${JSON.stringify(text)}`)
    return meaning(first)
  })

const inWords = (error: unknown): string => (error instanceof Error ? error.message : 'something was thrown')

/** The outcome with chunk boundaries taken out of what was whole, which is all that cuts may change. */
const outcome = (through: Through, read: (text: string) => readonly Message[]): string =>
  JSON.stringify([strictly(through.whole, read), through.end])

const bytewise = (text: string): readonly Buffer[] =>
  Array.from(Buffer.from(text, 'latin1'), (byte) => Buffer.from([byte]))

/** Requests come out the same however they are cut, and as what a strict reader takes for as many. */
export const requestsAreOne = ({ client, cuts }: Thrown): string | null => {
  const text = withHost(client, 'a.example')
  const read = (one: string) => readRequests(one).messages
  try {
    const through = requestsThrough([Buffer.from(text, 'latin1')])
    const whole = outcome(through, read)
    for (const pieces of [piecesOf(text, cuts), bytewise(text)]) {
      const cut = outcome(requestsThrough(pieces), read)
      if (cut !== whole) return `cut at ${pieces.map(({ length }) => length).join()}: ${cut}, not ${whole}`
    }
    return contradicted(text, through.whole)
  } catch (error) {
    return inWords(error)
  }
}

/** Where a strict reader has no doubt about the client's bytes, the router reads them the same way. */
const contradicted = (text: string, whole: Through['whole']): string | null => {
  let plain: readonly Message[]
  try {
    plain = readRequests(text).messages
  } catch (error) {
    // Of what it does not take the router may take some, but never a framing that can be read in two ways.
    const isFraming = error instanceof Unclear && /^(coding|length) /.test(error.message)
    return isFraming && whole.length > error.read ? `forwarded in spite of its ${error.message}` : null
  }
  for (const [at, forwarded] of whole.entries()) {
    if (forwarded === null) continue
    const [got] = readRequests(forwarded).messages
    const want = plain[at]
    if (got === undefined || want === undefined || !want.whole)
      return `message ${at} is no message to a strict reader`
    if (got.body !== want.body)
      return `body ${at} is ${JSON.stringify(got.body)}, not ${JSON.stringify(want.body)}`
    // What says that it closes ends the reading; a strict reader goes on.
    if (got.line.split(' ')[0] !== want.line.split(' ')[0])
      return `message ${at} is ${got.line}, not ${want.line}`
  }
  return null
}

/** The same of answers; none makes more than one. */
export const answersAreOne = ({ answers, cuts }: Thrown): string | null => {
  try {
    for (const answer of answers) {
      for (const method of ['GET', 'HEAD']) {
        const read = (one: string) => readResponses(one, { methods: [method], ended: true }).messages
        const whole = outcome(answerThrough([Buffer.from(answer, 'latin1')], method), read)
        for (const pieces of [piecesOf(answer, cuts), bytewise(answer)]) {
          const cut = outcome(answerThrough(pieces, method), read)
          if (cut !== whole)
            return `cut at ${pieces.map(({ length }) => length).join()}: ${cut}, not ${whole}`
        }
      }
    }
    return null
  } catch (error) {
    return inWords(error)
  }
}

/**
 * Through sockets: the dyno is sent what the state machines make of the client's bytes, no more and nothing
 * else; the client is answered in plain HTTP, not oftener than it asked; and both connections come to an end.
 */
export const throughSockets = async (stage: Stage, thrown: Thrown): Promise<string | null> => {
  const sight = sightless()
  const answers = thrown.answers.map((text) => text.replaceAll('\n', '␊').replaceAll('\r', '␍'))
  const onDyno = answering({ answer: answers, afterwards: 'end' }, sight)
  const place = await stage.open({ onDyno })
  try {
    const text = withHost(thrown.client, place.host)
    const client = place.client()
    for (const piece of piecesOf(text, thrown.cuts)) {
      client.socket.write(piece)
      await new Promise(setImmediate)
    }
    client.socket.end()
    await until(() => client.closed || client.ended, {
      what: 'the client to be let go',
      timeoutMs: playMsMax,
    })
    const through = requestsThrough([Buffer.from(text, 'latin1')])
    const want = through.whole.filter((one) => one !== null).map(asked)
    const got = place.dyno.peers.flatMap(({ text }) =>
      readRequests(text)
        .messages.filter(({ whole }) => whole)
        .map(({ line, body }) => `${line} ${JSON.stringify(body)}`),
    )
    // A safe request whose kept connection ended under it is sent once more.
    const once = got.filter((one, at) => one !== got[at - 1])
    const more = once.find((one) => !want.includes(one))
    if (more !== undefined) return `the dyno was sent ${more}, which is none of ${want.join(' and ')}`
    if (client.text.startsWith('HTTP/1.1 101')) return null
    const { messages, rest } = readResponses(client.text, { methods: through.methods, ended: true })
    const final = messages.filter(({ line }) => !line.startsWith('HTTP/1.1 1'))
    // The last one may be a refusal of what is no request.
    const heads = through.methods.length
    if (final.length > heads + 1) return `${final.length} answers to ${heads} requests`
    return rest === '' || !final.every(({ whole }) => whole)
      ? null
      : `behind the answers came ${JSON.stringify(rest)}`
  } catch (error) {
    return inWords(error)
  } finally {
    await place.close()
  }
}

const asked = (forwarded: string): string => {
  const [message] = readRequests(forwarded).messages
  return `${message?.line} ${JSON.stringify(message?.body)}`
}

/** What must hold whatever is thrown: each returns what is wrong, or null. */
import { answering, isPage, sightless } from '../../kit/exchange.ts'
import { byteByByte } from '../../kit/http1.ts'
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

const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1')

/** Requests come out the same however they are cut, and as what a strict reader takes for as many. */
export const requestsAreOne = ({ client, cuts }: Thrown): string | null => {
  const text = withHost(client, 'a.example')
  const read = (one: string) => readRequests(one).messages
  try {
    const through = requestsThrough([bytesOf(text)])
    const whole = outcome(through, read)
    for (const pieces of [piecesOf(text, cuts), byteByByte(bytesOf(text))]) {
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
        const whole = outcome(answerThrough([bytesOf(answer)], method), read)
        for (const pieces of [piecesOf(answer, cuts), byteByByte(bytesOf(answer))]) {
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
  // As long as it was, and no word that raw texts stand for.
  const answers = thrown.answers.map((text) => withHost(text, 'host'))
  const answer = answers.map((text) => text.replaceAll('\n', '␊').replaceAll('\r', '␍'))
  const onDyno = answering({ answer, afterwards: 'end' }, sight)
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
    const through = requestsThrough([bytesOf(text)])
    const got = place.dyno.peers.flatMap(({ text }) =>
      readRequests(text).messages.filter(({ whole }) => whole),
    )
    const asked = through.whole
      .filter((one) => one !== null)
      .map((one) => readRequests(one).messages[0])
      .map((message) => ({ text: askedBy(message), isDue: names(message, place.host) }))
    const wrong = outOfTurn(got.map(askedBy), asked)
    if (wrong !== null) return wrong
    if (client.text.startsWith('HTTP/1.1 101')) return null
    const { messages, rest } = readResponses(client.text, { methods: through.methods, ended: true })
    const final = messages.filter(({ line }) => !line.startsWith('HTTP/1.1 1'))
    // The last one may be a refusal of what is no request.
    const heads = through.methods.length
    if (final.length > heads + 1) return `${final.length} answers to ${heads} requests`
    if (rest !== '' && final.every(({ whole }) => whole)) return `behind answers came ${JSON.stringify(rest)}`
    return notAnswered(final, answers)
  } catch (error) {
    return inWords(error)
  } finally {
    await place.close()
  }
}

const askedBy = (message: Message | undefined): string => `${message?.line} ${JSON.stringify(message?.body)}`

/** Whether it is for that host beyond doubt: what is for another is answered by the router itself. */
const names = (message: Message | undefined, host: string): boolean =>
  message?.line.includes('://') === false &&
  message.headers.some(([name, value]) => name.toLowerCase() === 'host' && value === host)

type Asked = { readonly text: string; readonly isDue: boolean }

/** What the dyno was sent are the first of the requests to it, in their order, and none of them twice. */
const outOfTurn = (got: readonly string[], want: readonly Asked[]): string | null => {
  let next = 0
  for (const [at, one] of got.entries()) {
    const found = want.findIndex(({ text, isDue }, n) => n >= next && (isDue || text === one))
    const due = want[found]?.text
    if (one === due) next = found + 1
    // A safe request without a body, whose kept connection ended under it, may be sent once more.
    else if (one !== got[at - 1] || !/^(GET|HEAD|OPTIONS|PUT) .* ""$/.test(one))
      return `the dyno was sent ${one} where ${due ?? 'nothing'} was due`
  }
  return null
}

/** The client is given what the dyno answered, or the beginning of it, or a page of ours. */
const notAnswered = (final: readonly Message[], answers: readonly string[]): string | null => {
  const bodies = answers.flatMap((answer) => {
    const { whole, begun } = answerThrough([bytesOf(answer)], 'GET')
    const texts = [...whole, begun].filter((one) => one !== null)
    return texts.flatMap((text) => readResponses(text, { ended: true }).messages.map(({ body }) => body))
  })
  const strange = final.find(
    (message) => !isPage(message) && !['', ...bodies].some((body) => body.startsWith(message.body)),
  )
  return strange === undefined
    ? null
    : `${strange.line} ${JSON.stringify(strange.body)} is no answer of the dyno`
}

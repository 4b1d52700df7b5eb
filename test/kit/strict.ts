/**
 * A second opinion on HTTP/1.1: reads messages from what arrived, allows nothing that can be understood in
 * two ways, and shares no line with the product. What a router forwards must be plain to such a reader.
 */

export type Message = {
  /** Request line or status line. */
  readonly line: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly framing: 'none' | 'length' | 'chunked' | 'close'
  readonly body: string
  /** Header lines after the last chunk. */
  readonly trailers: string
  /** False: what came so far is only its beginning. */
  readonly whole: boolean
}
export type Read = { readonly messages: readonly Message[]; readonly rest: string }

export type ReadOptions = {
  /** Responses only: the methods they answer, in order, for HEAD has no body. */
  readonly methods?: readonly string[]
  /** Responses only: the connection has ended, which is how a body without a length ends. */
  readonly ended?: boolean
}

/** What a strict reader does not take, and how many messages it took before. */
export class Unclear extends Error {
  override readonly name = 'Unclear'
  readonly read: number
  constructor(why: string, read: number) {
    super(why)
    this.read = read
  }
}

/** Requests as far as they have come. @throws Unclear */
export const readRequests = (text: string): Read =>
  readAll(text, (line) => {
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [\x21-\x7e]+ HTTP\/1\.[01]$/.test(line))
      throw new Error(`no request line: ${JSON.stringify(line)}`)
    return 'none'
  })

/** Responses as far as they have come; 1xx are messages of their own. @throws Unclear */
export const readResponses = (text: string, { methods = [], ended = false }: ReadOptions = {}): Read => {
  let answered = 0
  return readAll(
    text,
    (line) => {
      const status = Number(/^HTTP\/1\.[01] (\d{3}) [\t\x20-\x7e\x80-\xff]*$/.exec(line)?.[1] ?? Number.NaN)
      if (Number.isNaN(status)) throw new Error(`no status line: ${JSON.stringify(line)}`)
      if (status >= 100 && status < 200) return 'bodiless'
      const method = methods[answered++]
      return method === 'HEAD' || status === 204 || status === 304 ? 'bodiless' : 'close'
    },
    ended,
  )
}

export const valueOf = ({ headers }: Message, name: string): string | undefined =>
  headers
    .filter(([one]) => one.toLowerCase() === name.toLowerCase())
    .map(([, value]) => value)
    .join('|') || undefined

type Unframed = 'none' | 'close' | 'bodiless'

const readAll = (text: string, unframed: (line: string) => Unframed, ended = false): Read => {
  const messages: Message[] = []
  let at = 0
  try {
    while (at < text.length) {
      const end = text.indexOf('\r\n\r\n', at)
      if (end < 0) break
      const [line = '', ...lines] = text.slice(at, end).split('\r\n')
      const headers = lines.map(fieldOf)
      const otherwise = unframed(line)
      const framing = otherwise === 'bodiless' ? 'none' : framingOf(headers, otherwise)
      const { body, next, trailers, whole } = bodyOf(text, end + 4, framing, headers, ended)
      messages.push({ line, headers, framing, body, trailers, whole })
      at = next
      if (!whole) break
    }
  } catch (error) {
    throw new Unclear(error instanceof Error ? error.message : 'unclear', messages.length)
  }
  return { messages, rest: text.slice(at) }
}

const fieldOf = (line: string): readonly [string, string] => {
  const found = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*$/.exec(line)
  if (found === null) throw new Error(`no header: ${JSON.stringify(line)}`)
  return [found[1] as string, found[2] as string]
}

const all = (headers: Message['headers'], name: string): readonly string[] =>
  headers.filter(([one]) => one.toLowerCase() === name).map(([, value]) => value)

const framingOf = (headers: Message['headers'], otherwise: 'none' | 'close'): Message['framing'] => {
  const encodings = all(headers, 'transfer-encoding')
  const lengths = all(headers, 'content-length')
  if (encodings.length + lengths.length > 1) throw new Error('more than one framing header')
  if (encodings.length === 1 && encodings[0]?.toLowerCase() !== 'chunked')
    throw new Error(`coding ${encodings[0]}`)
  if (lengths.length === 1 && !/^\d{1,15}$/.test(lengths[0] ?? '')) throw new Error(`length ${lengths[0]}`)
  return encodings.length === 1 ? 'chunked' : lengths.length === 1 ? 'length' : otherwise
}

type Body = {
  readonly body: string
  readonly next: number
  readonly trailers: string
  readonly whole: boolean
}

const bodyOf = (
  text: string,
  start: number,
  framing: Message['framing'],
  headers: Message['headers'],
  ended: boolean,
): Body => {
  if (framing === 'none') return { body: '', next: start, trailers: '', whole: true }
  if (framing === 'close') return { body: text.slice(start), next: text.length, trailers: '', whole: ended }
  if (framing === 'length') {
    const next = start + Number(all(headers, 'content-length')[0])
    return { body: text.slice(start, next), next, trailers: '', whole: text.length >= next }
  }
  let body = ''
  for (let at = start; ;) {
    const unfinished = { body, next: text.length, trailers: '', whole: false }
    const end = text.indexOf('\r\n', at)
    if (end < 0) return unfinished
    const size = text.slice(at, end)
    if (!/^[0-9a-f]{1,8}$/i.test(size)) throw new Error(`chunk size ${JSON.stringify(size)}`)
    const bytes = Number.parseInt(size, 16)
    if (bytes === 0) {
      const last = text.startsWith('\r\n', end + 2) ? end : text.indexOf('\r\n\r\n', end + 2)
      if (last < 0 || text.length < end + 4) return unfinished
      const trailers = last === end ? '' : text.slice(end + 2, last)
      for (const line of trailers === '' ? [] : trailers.split('\r\n')) fieldOf(line)
      return { body, next: last + 4, trailers, whole: true }
    }
    body += text.slice(end + 2, end + 2 + bytes)
    at = end + 2 + bytes + 2
    if (text.length < at) return { ...unfinished, body }
    if (text.slice(at - 2, at) !== '\r\n') throw new Error('a chunk is longer than it says')
  }
}

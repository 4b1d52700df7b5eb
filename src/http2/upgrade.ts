/**
 * An HTTP/1.1 response, as the engine writes it for a client, turned into what HTTP/2 sends: field sections
 * and plain data. It reads our own writing, whose form is known; nothing of a target comes here unchecked.
 */
import { BodyReader, chunked, type Framing, untilClose } from '../http1/body.ts'
import { latin1 } from '../http1/bytes.ts'
import { stride } from '../http1/head-parser.ts'

/** Names and values in turn, `:status` first. */
export type Fields = readonly string[]

export type Sink = {
  readonly inform: (fields: Fields) => void
  /** `ended`: there is no body. */
  readonly begin: (fields: Fields, ended: boolean) => void
  readonly data: (bytes: Buffer) => boolean
  readonly end: (trailers: Fields) => void
}

const headEnd = Buffer.from('\r\n\r\n')
const hopByHop = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'])

export class ResponseReader {
  /** The response has been passed on whole. */
  done = false
  readonly #method: string
  readonly #sink: Sink
  readonly #body = new BodyReader()
  #held: Buffer | null = null
  #inBody = false
  #framing: Framing = 0

  constructor(method: string, sink: Sink) {
    this.#method = method
    this.#sink = sink
  }

  /** True when it is over only once the engine closes. */
  get endsByClosing(): boolean {
    return this.#inBody && !this.done && this.#framing === untilClose
  }

  get begun(): boolean {
    return this.#inBody
  }

  /** False: the other side is behind. */
  take(bytes: Buffer): boolean {
    let rest = bytes
    while (!this.#inBody) {
      const whole = this.#held === null ? rest : Buffer.concat([this.#held, rest])
      const end = whole.indexOf(headEnd)
      this.#held = end < 0 ? whole : null
      if (end < 0) return true
      rest = whole.subarray(end + headEnd.length)
      this.#head(latin1(whole, 0, end))
      if (this.done || rest.length === 0) return true
    }
    return this.done || this.#relay(rest)
  }

  /** The engine closed in good order. */
  closed(): void {
    if (this.endsByClosing) this.#finish([])
  }

  #head(text: string): void {
    const [line = '', ...lines] = text.split('\r\n')
    const status = line.slice(9, 12)
    const fields = [':status', status]
    let length: Framing = untilClose
    for (const each of lines) {
      const colon = each.indexOf(':')
      const name = each.slice(0, colon).toLowerCase()
      const value = each.slice(colon + 1).trim()
      if (name === 'content-length') length = Number(value)
      else if (name === 'transfer-encoding') length = chunked
      if (!hopByHop.has(name)) fields.push(name, value)
    }
    if (status.startsWith('1')) {
      this.#sink.inform(fields)
      return
    }
    const bodyless = this.#method === 'HEAD' || status === '204' || status === '304'
    this.#inBody = true
    this.#framing = bodyless ? 0 : length
    this.#body.begin(this.#framing, true)
    this.#sink.begin(fields, this.#framing === 0)
    this.done = this.#framing === 0
  }

  #relay(bytes: Buffer): boolean {
    const piece = this.#body.take(bytes, 0)
    const flows = piece.length === 0 || this.#sink.data(piece)
    if (this.#body.done) this.#finish(trailersOf(this.#body))
    return flows
  }

  #finish(trailers: Fields): void {
    this.done = true
    this.#sink.end(trailers)
  }
}

function trailersOf({ trailers }: BodyReader): Fields {
  if (trailers === null) return []
  const { bytes, offsets, count } = trailers
  const fields: string[] = []
  for (let slot = 0; slot < count * stride; slot += stride) {
    const name = latin1(bytes, offsets[slot], offsets[slot + 1]).toLowerCase()
    fields.push(name, latin1(bytes, offsets[slot + 2], offsets[slot + 3]))
  }
  return fields
}

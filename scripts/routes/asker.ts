/**
 * Asks a router for many hosts, one request each, over a few connections: who answered, and how. A client
 * on bare sockets, for one on top of a client library would take longer than what it asks.
 */
import { connect, type Socket } from 'node:net'

export type Answered = {
  readonly status: number
  readonly body: string
}

const connectionsMax = 32
const answerMsMax = 60_000

/**
 * @param hosts asked in order, each once
 * @throws Error when a connection ends or is silent before all is answered
 */
export const askAll = async (
  port: number,
  hosts: Iterator<string>,
  answered: (host: string, answer: Answered) => void,
  connections = connectionsMax,
): Promise<void> => {
  const client = async (): Promise<void> => {
    for (let isMore = true; isMore;) isMore = await oneConnection(port, hosts, answered)
  }
  await Promise.all(Array.from({ length: connections }, client))
}

/** Until the router ends it, as it does with each after a while. @returns whether there are more hosts */
const oneConnection = (
  port: number,
  hosts: Iterator<string>,
  answered: (host: string, answer: Answered) => void,
): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    let host: string | undefined
    const end = (isMore: boolean): void => {
      resolve(isMore)
      socket.destroy()
    }
    const next = (): void => {
      const found = hosts.next()
      if (found.done === true) return end(false)
      host = found.value
      socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nAccept: application/json\r\n\r\n`)
    }
    socket.setTimeout(answerMsMax, () => socket.destroy(new Error(`no answer for ${host}`)))
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`the router hung up on ${host}`)))
    reading(socket, (answer, isLast) => {
      answered(host ?? '', answer)
      if (isLast) end(true)
      else next()
    })
    socket.on('connect', next)
  })

/** Whole answers with a Content-Length, one after the other. */
const reading = (socket: Socket, answered: (answer: Answered, isLast: boolean) => void): void => {
  let text = ''
  socket.setEncoding('latin1')
  socket.on('data', (chunk: string) => {
    text += chunk
    const headEnd = text.indexOf('\r\n\r\n')
    if (headEnd < 0) return
    const head = text.slice(0, headEnd + 2)
    const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1])
    if (text.length < headEnd + 4 + length) return
    const answer = { status: Number(text.slice(9, 12)), body: text.slice(headEnd + 4) }
    text = ''
    answered(answer, /^connection: *close/im.test(head))
  })
}

/** Connections from where the lab's clients are (see dialer.ts), and HTTP over them. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Machine } from './machine.ts'

export type Endpoint = { readonly address: string; readonly port: number }
export type Call = {
  readonly method?: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** From the call until the whole answer is there. */
  readonly timeoutMs: number
}
export type Answer = {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}
/**
 * Each on a connection of its own. They reject with an error that has a `code`: `ETIMEDOUT` when it took too
 * long.
 */
export type Exchange = (endpoint: Endpoint, call: Call) => Promise<Answer>
/** The answer as it comes, for as long as it comes; `timeoutMs` is until its head is there. */
export type Listen = (endpoint: Endpoint, call: Call) => Promise<IncomingMessage>
/** A connection for what is no HTTP. */
export type Dial = (endpoint: Endpoint) => Promise<Socket>

const connectMsMax = 10_000

class DialError extends Error {
  override readonly name = 'DialError'
  readonly code: string
  constructor(code: string) {
    super(`no connection: ${code}`)
    this.code = code
  }
}

/** Starts the dialer on the machine; it ends when it is closed or with the harness, which holds its input. */
export const openDialer = async (
  machine: Machine,
  socketPath: string,
): Promise<{
  readonly exchange: Exchange
  readonly listen: Listen
  readonly dial: Dial
  readonly close: () => void
}> => {
  const program = fileURLToPath(import.meta.resolve('./dialer.ts'))
  const [file = '', ...args] = machine.inside([process.execPath, program, socketPath])
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'ignore'], env: {} })
  await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => Promise.reject(new Error('the dialer ended at once'))),
  ])
  // It has said all that it says.
  child.stdout.destroy()
  child.unref()
  // A pipe of a child is a socket, which holds this process unless it is told not to.
  ;(child.stdin as unknown as Socket).unref()
  return {
    exchange: (endpoint, call) => exchange(socketPath, endpoint, call),
    listen: (endpoint, call) => listen(socketPath, endpoint, call),
    dial: (endpoint) => dial(socketPath, endpoint, AbortSignal.timeout(connectMsMax)),
    close: () => void child.kill('SIGKILL'),
  }
}

const exchange = async (socketPath: string, endpoint: Endpoint, call: Call): Promise<Answer> => {
  const signal = AbortSignal.timeout(call.timeoutMs)
  const late = (error: unknown): never => {
    throw signal.aborted ? new DialError('ETIMEDOUT') : error
  }
  const socket = await dial(socketPath, endpoint, signal).catch(late)
  return ask(socket, call, signal)
    .then(wholeOf)
    .catch(late)
    .finally(() => socket.destroy())
}

const listen = async (socketPath: string, endpoint: Endpoint, call: Call): Promise<IncomingMessage> => {
  const signal = AbortSignal.timeout(call.timeoutMs)
  const socket = await dial(socketPath, endpoint, signal)
  const answer = await ask(socket, call, undefined, signal)
  answer.once('close', () => socket.destroy())
  return answer
}

const dial = (socketPath: string, { address, port }: Endpoint, signal: AbortSignal): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect(socketPath)
    const timer = setTimeout(() => socket.destroy(new DialError('ETIMEDOUT')), connectMsMax)
    const abort = (): void => void socket.destroy(new DialError('ETIMEDOUT'))
    signal.addEventListener('abort', abort, { once: true })
    const settle = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
    }
    let said = ''
    const read = (): void => {
      // Up to the line's end and not beyond: what follows is the answer's.
      for (let byte: Buffer | null; (byte = socket.read(1) as Buffer | null) !== null;) {
        if (byte[0] !== 10) said += byte.toString('latin1')
        else {
          socket.off('readable', read)
          settle()
          if (said === 'ok') resolve(socket)
          else socket.destroy(new DialError(said))
          return
        }
      }
    }
    socket.on('readable', read)
    socket.once('error', (error) => {
      settle()
      reject(error)
    })
    socket.once('close', () => {
      settle()
      reject(new DialError('ECONNRESET'))
    })
    socket.write(`${address} ${port}\n`)
  })

/** @param headSignal aborts until there is a head, `signal` also what comes after it */
const ask = (
  socket: Socket,
  call: Call,
  signal: AbortSignal | undefined,
  headSignal?: AbortSignal,
): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const { method = 'GET', path, headers, body } = call
    const options = { method, path, headers, createConnection: () => socket }
    const asked = request({ ...options, ...(signal === undefined ? {} : { signal }) }, (answer) => {
      headSignal?.removeEventListener('abort', abort)
      resolve(answer)
    })
    const abort = (): void => void asked.destroy(new DialError('ETIMEDOUT'))
    headSignal?.addEventListener('abort', abort, { once: true })
    asked.once('error', reject)
    asked.end(body)
  })

const wholeOf = (answer: IncomingMessage): Promise<Answer> =>
  new Promise((resolve, reject) => {
    let body = ''
    answer.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
    answer.once('error', reject)
    answer.once('close', () => reject(new DialError('ECONNRESET')))
    answer.once('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }))
  })

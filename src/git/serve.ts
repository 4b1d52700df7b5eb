/**
 * Git's smart HTTP protocol, served by git's own http-backend as a CGI program (git-http-backend(1), RFC
 * 3875).
 *
 * Bodies and answers stream both ways with back pressure; the backend inflates gzip bodies itself. When the
 * client goes away the backend's whole process group is stopped, which ends a running hook too.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable, Writable } from 'node:stream'
import { defaultPath, gitEnvironment, killGroup } from './run.ts'

export type ServeOptions = {
  /** Absolute directory of the bare repository. */
  repository: string
  /** The part of the path after the repository's name: `/info/refs`, `/git-receive-pack`, … */
  pathInfo: string
  /** Extra environment for the backend and so for its hooks. */
  env?: Readonly<Record<string, string>>
  /** Who pushes, for REMOTE_USER. */
  user?: string
  bodyBytesMax?: number
  /** The whole exchange, builds in hooks included. */
  timeoutMs?: number
  /**
   * After a push was taken and before its answer ends; when it fails the answer is cut off, so the pusher
   * sees an error.
   */
  beforeEnd?: () => Promise<void>
  /** The backend's complaints and failures, one line each. */
  onError?: (line: string) => void
}

export type Served = {
  /** `none`: nothing of git's was asked, or too much was sent; answered with 404 or 413. */
  readonly service: Service | 'none'
  /** True when the client got a whole answer. */
  readonly complete: boolean
}

type Backend = ChildProcessByStdio<Writable, Readable, Readable>
type Service = 'git-receive-pack' | 'git-upload-pack'

const headBytesMax = 16 * 1024
// More than git takes of one pack (repository.ts): it says itself what is too much.
const bodyBytesMaxDefault = 3 * 1024 ** 3
/** A large push on a slow line, a build of 15 minutes, a release command of an hour. */
const timeoutMsDefault = 150 * 60_000
const services: readonly string[] = ['git-receive-pack', 'git-upload-pack']

/** Answers one request of a git client. Never throws for what a client does; gives how it ended. */
export async function serveGit(
  req: IncomingMessage,
  res: ServerResponse,
  options: ServeOptions,
): Promise<Served> {
  const query = (req.url ?? '').split('?')[1] ?? ''
  const service = wanted(req.method ?? 'GET', options.pathInfo, query)
  if (service === undefined) return refuse(req, res, 404, 'Not found\n')
  const bytesMax = options.bodyBytesMax ?? bodyBytesMaxDefault
  if (Number(req.headers['content-length'] ?? 0) > bytesMax)
    return refuse(req, res, 413, 'Push is too large\n')

  const backend: Backend = spawn('git', ['http-backend'], {
    env: { ...gitEnvironment(defaultPath), ...options.env, ...cgiEnvironment(req, query, options) },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  })
  const pid = backend.pid
  const stop = (why: string): void => {
    options.onError?.(why)
    if (pid !== undefined && backend.exitCode === null) killGroup(pid)
    if (!res.writableEnded) res.destroy()
    // Nobody drains the answer any more: let the backend's output run out, so that its end is seen.
    backend.stdout.resume()
  }
  const deadline = setTimeout(
    () => stop(`${service}: not done in time`),
    options.timeoutMs ?? timeoutMsDefault,
  )
  const onGone = (): void => {
    if (!res.writableFinished) stop(`${service}: the client is gone`)
  }
  res.once('close', onGone)
  try {
    feed(req, backend, bytesMax, stop)
    listen(backend.stderr, options.onError)
    const code = await relay(backend, res)
    if (code === 0 && req.method === 'POST' && service === 'git-receive-pack') await options.beforeEnd?.()
    const complete = code === 0 && !res.destroyed
    if (complete) await finish(res)
    else stop(`${service}: backend ended with ${code}`)
    return { service, complete }
  } catch (cause) {
    stop(`${service}: ${cause instanceof Error ? cause.message : String(cause)}`)
    return { service, complete: false }
  } finally {
    clearTimeout(deadline)
    res.removeListener('close', onGone)
  }
}

/** Which service a request is for; undefined for all that a smart client never asks. */
function wanted(method: string, path: string, query: string): Service | undefined {
  if (method === 'POST' && services.includes(path.slice(1))) return path.slice(1) as Service
  if (method !== 'GET' && method !== 'HEAD') return undefined
  if (path === '/HEAD') return 'git-upload-pack'
  const asked = new URLSearchParams(query).get('service') ?? ''
  return path === '/info/refs' && services.includes(asked) ? (asked as Service) : undefined
}

function refuse(req: IncomingMessage, res: ServerResponse, status: number, text: string): Served {
  req.resume()
  res.writeHead(status, { 'content-type': 'text/plain', connection: 'close' })
  res.end(text)
  return { service: 'none', complete: true }
}

function cgiEnvironment(req: IncomingMessage, query: string, options: ServeOptions): Record<string, string> {
  const optional: Record<string, string | undefined> = {
    CONTENT_TYPE: req.headers['content-type'],
    CONTENT_LENGTH: req.headers['content-length'],
    HTTP_CONTENT_ENCODING: req.headers['content-encoding'],
    GIT_PROTOCOL: [req.headers['git-protocol']].flat()[0],
    REMOTE_ADDR: req.socket.remoteAddress,
  }
  return {
    GATEWAY_INTERFACE: 'CGI/1.1',
    SERVER_PROTOCOL: `HTTP/${req.httpVersion}`,
    REQUEST_METHOD: req.method ?? 'GET',
    QUERY_STRING: query,
    GIT_PROJECT_ROOT: options.repository,
    PATH_INFO: options.pathInfo,
    GIT_HTTP_EXPORT_ALL: '1',
    REMOTE_USER: options.user ?? 'heroku',
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
  }
}

/**
 * Pipes the request's body in, counting it. A backend that stops reading early (a refused push) is no error
 * here.
 */
function feed(req: IncomingMessage, backend: Backend, bytesMax: number, stop: (why: string) => void): void {
  let bytes = 0
  req.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > bytesMax) stop(`body is larger than ${bytesMax} bytes`)
  })
  req.on('error', () => backend.stdin.destroy())
  backend.stdin.on('error', () => req.resume())
  req.pipe(backend.stdin)
}

function listen(stderr: Readable, onError: ServeOptions['onError']): void {
  let rest = ''
  stderr.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).slice(-headBytesMax).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onError?.(line)
  })
}

/** Turns the CGI answer into the HTTP one; gives the backend's exit code once all of it was handed on. */
function relay(backend: Backend, res: ServerResponse): Promise<number> {
  return new Promise((resolve, reject) => {
    let head: Buffer | undefined = Buffer.alloc(0)
    backend.once('error', reject)
    backend.once('close', (code) => resolve(head === undefined ? (code ?? 1) : 1))
    res.on('drain', () => backend.stdout.resume())
    backend.stdout.on('data', (chunk: Buffer) => {
      let body = chunk
      if (head !== undefined) {
        head = Buffer.concat([head, chunk])
        const end = head.indexOf('\r\n\r\n')
        if (end < 0) {
          if (head.length > headBytesMax) reject(new Error('backend gave no head'))
          return
        }
        writeHead(res, head.subarray(0, end).toString('latin1'))
        body = head.subarray(end + 4)
        head = undefined
      }
      if (body.length > 0 && !res.destroyed && !res.write(body)) backend.stdout.pause()
    })
  })
}

function writeHead(res: ServerResponse, head: string): void {
  let status = 200
  for (const line of head.split('\r\n')) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    if (name === 'status') status = Number.parseInt(value, 10)
    else if (colon > 0) res.setHeader(name, value)
  }
  res.writeHead(status)
  res.flushHeaders()
}

const finish = (res: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    res.once('close', resolve)
    res.end(() => resolve())
  })

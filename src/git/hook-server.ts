/**
 * The host's side of the pre-receive hook: a unix socket where each push in progress is one connection.
 *
 * A hook that goes away (the client hung up, git was killed) aborts its handler's signal. Output to a hook
 * that does not read is bounded: beyond that the push is given up, never the host's memory.
 */
import { chmod, readFile, rm, writeFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { createServer, type Server, type Socket } from 'node:net'
import type { RefUpdate } from './updates.ts'
import { GitError } from './run.ts'

export type Push = {
  /** Absolute directory of the repository. */
  readonly repository: string
  /** What the starter of the push put in MANIFOLD_PUSH_ID. */
  readonly push: string
  readonly updates: readonly RefUpdate[]
  /** What the pusher gave with `--push-option`. */
  readonly options: readonly string[]
  /** Environment that lets git see the pushed objects before they are accepted. */
  readonly quarantine: Readonly<Record<string, string>>
}

export type HookAnswer = {
  /** Shown to the pusher as `remote: ` lines, as it comes. */
  readonly write: (output: string | Uint8Array) => void
  /** Fires when the pusher is gone or the server closes. */
  readonly signal: AbortSignal
}

/**
 * Decides a push; the number is the hook's exit code (0 accepts). A throw refuses the push and is reported.
 */
export type HookHandler = (push: Push, answer: HookAnswer) => Promise<number>

export type HookServer = {
  /** To be given to `serveGit` as `env`, with MANIFOLD_PUSH_ID added. */
  readonly env: Readonly<Record<string, string>>
  close(): Promise<void>
}

const headBytesMax = 1024 * 1024
const outputBytesMax = 32 * 1024 * 1024
const frameBytesMax = 64 * 1024
const beatMs = 5_000
// sun_path is 108 bytes with its final zero (unix(7)); a longer one fails with a misleading EINVAL.
const socketPathBytesMax = 107

/**
 * Listens at `socketPath` (what lies there is replaced: one host process owns it) and writes the hook
 * program beside it. Throws GIT_SOCKET when the path is too long for a unix socket.
 */
export async function hookServer(
  socketPath: string,
  handler: HookHandler,
  onError: (cause: unknown) => void,
): Promise<HookServer> {
  if (Buffer.byteLength(socketPath) > socketPathBytesMax)
    throw new GitError('GIT_SOCKET', `socket path is longer than ${socketPathBytesMax} bytes: ${socketPath}`)
  const program = `${socketPath}.mjs`
  const source = await readFile(new URL('./hook.ts', import.meta.url), 'utf8')
  await writeFile(program, stripTypeScriptTypes(source))
  await rm(socketPath, { force: true })
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    serve(socket, handler, onError)
  })
  await listen(server, socketPath)
  await chmod(socketPath, 0o600)
  return {
    env: {
      MANIFOLD_HOOK_SOCKET: socketPath,
      MANIFOLD_HOOK_NODE: process.execPath,
      MANIFOLD_HOOK_PROGRAM: program,
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}

const listen = (server: Server, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.removeListener('error', reject)
      resolve()
    })
  })

function serve(socket: Socket, handler: HookHandler, onError: (cause: unknown) => void): void {
  const gone = new AbortController()
  let head = Buffer.alloc(0)
  let begun = false
  socket.on('error', onError)
  socket.once('close', () => gone.abort(new GitError('GIT_SOCKET', 'the pusher is gone')))
  socket.on('data', (chunk: Buffer) => {
    if (begun) return
    head = Buffer.concat([head, chunk])
    const end = head.indexOf(10)
    if (end < 0) {
      if (head.length > headBytesMax) socket.destroy()
      return
    }
    begun = true
    void answer(socket, head.subarray(0, end), handler, gone.signal, onError)
  })
}

async function answer(
  socket: Socket,
  head: Buffer,
  handler: HookHandler,
  signal: AbortSignal,
  onError: (cause: unknown) => void,
): Promise<void> {
  const beats = setInterval(() => socket.write(frame(0, Buffer.alloc(0))), beatMs)
  // A handler may take long to see the signal; the beats of a dead connection end at once.
  signal.addEventListener('abort', () => clearInterval(beats))
  const write = (output: string | Uint8Array): void => {
    if (signal.aborted || socket.destroyed) return
    const bytes = Buffer.from(output as string)
    for (let at = 0; at < bytes.length; at += frameBytesMax)
      socket.write(frame(1, bytes.subarray(at, at + frameBytesMax)))
    if (socket.writableLength > outputBytesMax) socket.destroy()
  }
  let code = 1
  try {
    code = await handler(JSON.parse(head.toString('utf8')) as Push, { write, signal })
  } catch (cause) {
    if (!signal.aborted) onError(cause)
    write('\n!\tPush rejected, the platform failed to handle it.\n')
  } finally {
    clearInterval(beats)
    if (!socket.destroyed) socket.end(frame(2, Buffer.from([code & 0xff])))
  }
}

function frame(kind: 0 | 1 | 2, bytes: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(5 + bytes.length)
  out[0] = kind
  out.writeUInt32BE(bytes.length, 1)
  out.set(bytes, 5)
  return out
}

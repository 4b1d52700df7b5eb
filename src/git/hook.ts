/**
 * The pre-receive hook's program: asks the host process over a unix socket and relays what it says.
 *
 * A process of its own, started by git for every push, with nothing but Node's own modules (the host writes
 * it out as plain JavaScript, which starts in a third of the time). It ends with the code the host gives;
 * when the host dies, or says nothing at all for a minute, the push is refused. It never hangs.
 *
 * Frames from the host: 1 byte kind (0 beat, 1 output, 2 exit), 4 bytes length, then the bytes.
 */
import { createConnection } from 'node:net'
import { text } from 'node:stream/consumers'

const silenceMsMax = 60_000

const quarantineNames = ['GIT_QUARANTINE_PATH', 'GIT_OBJECT_DIRECTORY', 'GIT_ALTERNATE_OBJECT_DIRECTORIES']
const env = process.env
const quarantine = Object.fromEntries(
  quarantineNames.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])),
)
const options = Array.from(
  { length: Number(env['GIT_PUSH_OPTION_COUNT'] ?? 0) },
  (_, at) => env[`GIT_PUSH_OPTION_${at}`] ?? '',
)
const updates = (await text(process.stdin))
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => {
    const [from, to, ...ref] = line.split(' ')
    return { from, to, ref: ref.join(' ') }
  })

let pending: Uint8Array = new Uint8Array(0)
const state = { ended: false }

const socket = createConnection(env['MANIFOLD_HOOK_SOCKET'] ?? '')
socket.setTimeout(silenceMsMax, () => refuse('the platform does not answer'))
socket.on('error', () => refuse('the platform cannot be reached'))
socket.on('close', () => refuse('the platform went away during the build'))
socket.on('data', (chunk: Buffer) => {
  const bytes = Buffer.concat([pending, chunk])
  let at = 0
  while (!state.ended && bytes.length >= at + 5) {
    const end = at + 5 + bytes.readUInt32BE(at + 1)
    if (bytes.length < end) break
    act(bytes[at] ?? 0, bytes.subarray(at + 5, end))
    at = end
  }
  pending = bytes.subarray(at)
})
const push = env['MANIFOLD_PUSH_ID'] ?? ''
socket.write(`${JSON.stringify({ repository: process.cwd(), push, updates, options, quarantine })}\n`)

function act(kind: number, bytes: Buffer): void {
  if (kind === 1) process.stderr.write(bytes)
  if (kind === 2) finish(bytes[0] ?? 1)
}

function refuse(why: string): void {
  if (state.ended) return
  process.stderr.write(`\n!\tPush rejected, ${why}.\n`)
  finish(1)
}

function finish(code: number): void {
  state.ended = true
  process.exitCode = code
  socket.destroy()
}

/**
 * Commands: runs a system tool to its end with bounded time and output.
 *
 * Tools get a scrubbed environment: what the host process or a test runner exports must not reach them.
 */
import { spawn } from 'node:child_process'

import { OciError } from './errors.ts'

const timeoutMs = 30_000
const shownCharsMax = 200
const outputBytesMax = 4 * 1024 * 1024

/** The environment of every tool. */
export const toolEnv = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' }

/**
 * Runs `argv` with `input` on stdin. Resolves with stdout; rejects with `OCI_COMMAND` and the tool's stderr.
 */
export const command = (argv: readonly [string, ...string[]], input = ''): Promise<string> =>
  new Promise((resolve, reject) => {
    const [file, ...args] = argv
    const child = spawn(file, args, { env: toolEnv, timeout: timeoutMs, killSignal: 'SIGKILL' })
    const out: Buffer[] = []
    const err: Buffer[] = []
    let bytes = 0
    const keep = (list: Buffer[]) => (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= outputBytesMax) list.push(chunk)
      else child.kill('SIGKILL')
    }
    child.stdout.on('data', keep(out))
    child.stderr.on('data', keep(err))
    // A tool that ends without reading its input is judged by its exit code.
    child.stdin.on('error', () => undefined)
    child.on('error', (cause) => reject(new OciError('OCI_COMMAND', file, { cause })))
    child.on('close', (code, signal) => {
      if (code === 0) resolve(Buffer.concat(out).toString())
      else reject(failure(argv, Buffer.concat(err).toString(), code ?? signal))
    })
    child.stdin.end(input)
  })

/** The cause is what the tool said, alone. */
const failure = (argv: readonly string[], stderr: string, how: number | string | null): OciError => {
  const said = stderr.trim().slice(0, 2_000)
  const shown = argv.slice(0, 4).join(' ').slice(0, shownCharsMax)
  return new OciError('OCI_COMMAND', `${shown} (${how}): ${said}`, { cause: new Error(said) })
}

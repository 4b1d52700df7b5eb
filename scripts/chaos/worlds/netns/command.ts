/** Runs a program of the system to its end. */
import { execFile } from 'node:child_process'

const timeoutMs = 30_000
const outputBytesMax = 16 * 1024 * 1024

/** @returns its stdout. @throws Error with what it said on stderr */
export const command = (argv: readonly string[], input = ''): Promise<string> =>
  new Promise((resolve, reject) => {
    const [program = '', ...args] = argv
    const options = { timeout: timeoutMs, maxBuffer: outputBytesMax }
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`${argv.join(' ')}: ${stderr.trim() || error.message}`, { cause: error }))
    })
    // It may end without having read everything.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
  })

/** The engine and the compose command line, as programs that are run to their end. */
import { execFile, spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'

export const project = join(import.meta.dirname, '../../../..')
export const image = 'manifold'
const ownSocket = '/var/tmp/manifold-engine/docker.sock'
const engine = join(import.meta.dirname, 'engine')
const outputBytesMax = 64 * 1024 * 1024
const askMs = 10_000
const runMsMax = 30_000

/** The engine that DOCKER_HOST names, else the one that `engine start` made, else the machine's. */
export const engineEnv = (): NodeJS.ProcessEnv => {
  const own = existsSync(ownSocket) ? `unix://${ownSocket}` : undefined
  const host = process.env['DOCKER_HOST'] ?? own
  // Debian's system programs (nft, say) are in /usr/sbin, which some root's PATH lacks.
  const path = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`
  return {
    ...process.env,
    PATH: path,
    DOCKER_BUILDKIT: '0',
    ...(host === undefined ? {} : { DOCKER_HOST: host }),
  }
}

/** Why the image would have to be made from nothing, which takes minutes; undefined: most of it is there. */
export const whyNoImage = (): string | undefined => {
  const { status } = spawnSync('docker', ['image', 'inspect', image], { env: engineEnv(), timeout: askMs })
  return status === 0 ? undefined : `no image ${image} yet: any scenario in this world makes it`
}

/** Why there is no engine to use here; undefined: there is one. */
export const whyNoEngine = (): string | undefined => {
  if (process.getuid?.() !== 0) return 'no engine: looking into its containers needs root'
  for (const program of ['docker', 'docker-compose'])
    if (spawnSync(program, ['--version'], { timeout: askMs }).status !== 0)
      return `no engine: ${program} is not installed (Debian packages docker.io docker-compose)`
  const { status, stderr } = spawnSync('docker', ['version'], { env: engineEnv(), timeout: askMs })
  if (status === 0) return undefined
  return `no engine: ${String(stderr).trim().split('\n').at(-1)} (start one with ${engine} start)`
}

export type RunOptions = {
  readonly input?: string
  readonly timeoutMs?: number
  readonly env?: Readonly<Record<string, string>>
}

/** @returns its stdout. @throws Error with what it said on stderr */
export const run = (argv: readonly string[], options: RunOptions = {}): Promise<string> =>
  new Promise((resolve, reject) => {
    const [program = '', ...args] = argv
    const { input = '', timeoutMs = runMsMax, env = {} } = options
    const settings = {
      timeout: timeoutMs,
      maxBuffer: outputBytesMax,
      cwd: project,
      env: { ...engineEnv(), ...env },
    }
    const child = execFile(program, args, settings, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else {
        const how =
          error.killed === true ? `ended after ${timeoutMs} ms` : `exit ${error.code ?? error.signal}`
        reject(new Error(`${argv.join(' ')}: ${how} ${stderr.trim()}`, { cause: error }))
      }
    })
    // It may end without having read everything.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
  })

/** What a program says for as long as it runs: it ends when nobody reads on. */
export const output = (argv: readonly string[]): Readable => {
  const [program = '', ...args] = argv
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'], env: engineEnv() })
  child.once('error', (error) => child.stdout.destroy(error))
  child.stdout.once('close', () => child.kill('SIGKILL'))
  return child.stdout
}

/**
 * Runs programs for tests with exactly the environment given: the test runner's own injections (NODE_OPTIONS,
 * preload files) must reach neither the product nor what users run, so everything starts through `env -i`.
 */
import { spawn, type ChildProcess } from 'node:child_process'

export type Ran = { readonly code: number | null; readonly stdout: string; readonly stderr: string }
export type Env = Readonly<Record<string, string>>

const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const ownPath = `${process.cwd()}/node_modules/node/bin:${systemPath}`
/** What of the machine a child needs to reach the package registry and nothing more. */
export const machineEnv = (): Env => {
  const names = ['SSL_CERT_FILE', 'NODE_EXTRA_CA_CERTS', 'npm_config_registry', 'NPM_CONFIG_REGISTRY', 'LANG']
  const kept = names.flatMap((name) => (process.env[name] ? [[name, process.env[name]] as const] : []))
  return { PATH: ownPath, ...Object.fromEntries(kept) }
}

export const start = (argv: readonly string[], env: Env, cwd?: string): ChildProcess =>
  spawn('/usr/bin/env', ['-i', ...Object.entries(env).map(([k, v]) => `${k}=${v}`), ...argv], {
    cwd,
    stdio: ['pipe', 'pipe', 'pipe'],
  })

export type RunOptions = {
  readonly env: Env
  readonly cwd?: string
  readonly input?: string
  readonly timeoutMs?: number
}

/** Runs to the end and gives everything; past the deadline the process is killed and the run fails. */
export const run = (argv: readonly string[], options: RunOptions): Promise<Ran> =>
  new Promise((resolve, reject) => {
    const child = start(argv, options.env, options.cwd)
    let stdout = ''
    let stderr = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`${argv.join(' ')} took too long\n${stdout}\n${stderr}`))
    }, options.timeoutMs ?? 60_000)
    child.once('error', reject)
    child.once('close', (code) => {
      clearTimeout(timer)
      resolve({ code, stdout, stderr })
    })
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(options.input ?? '')
  })

/**
 * A whole Manifold of a test's own: its own home, ports and NATS, started as `npm start` starts it, used
 * through the stock CLI and git. What setup fetched once (nats-server, the stack) is borrowed from the
 * machine's own home.
 */
import { execFileSync, type ChildProcess } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { openHeroku, type Heroku } from './cli/runs.ts'
import { freePort } from './ports.ts'
import { machineEnv, run, start, type Env, type Ran, type RunOptions } from './run.ts'
import { until } from './until.ts'

/** An answer, looked into by name; what it must be is what the tests say. */
// oxlint-disable-next-line typescript/no-explicit-any
type Json = any

export type Platform = {
  readonly home: string
  readonly port: number
  readonly routerPort: number
  readonly logplexPort: number
  /** Folder of the user who works with it: HOME of CLI and git. */
  readonly user: string
  readonly output: () => string
  readonly pid: () => number
  /** Runs `start` once more beside it, with other settings, to its end. */
  readonly startSecond: (settings: Env) => Promise<Ran>
  /** As Ctrl-C does; resolves with the exit code. */
  readonly stop: () => Promise<number | null>
  /** SIGKILL of the host process alone. */
  readonly kill: () => Promise<void>
  /** Starts it again on the same home. @returns milliseconds until the ready line */
  readonly restart: () => Promise<number>
  /** The stock CLI; with options beside `cwd` in a process of its own, else in one for all (cli/runs.ts). */
  readonly heroku: (args: readonly string[], options?: Partial<RunOptions>) => Promise<Ran>
  readonly git: (args: readonly string[], options?: Partial<RunOptions>) => Promise<Ran>
  /** What the API answers with success, asked as the CLI asks and without its second of work. */
  readonly api: (method: string, path: string, body?: unknown) => Promise<Json>
  /** The history of an app, as `heroku logs -n 1500` prints it. */
  readonly logs: (app: string, session?: object) => Promise<string>
  /** The state of a dyno, if there is one of that name. */
  readonly dynoState: (app: string, dyno: string) => Promise<string | undefined>
  /** What a user's shell has after `. $MANIFOLD_HOME/env`. */
  readonly userEnv: () => Promise<Env>
  /** Any command with `. $MANIFOLD_HOME/env` sourced. */
  readonly sourced: (script: string, options?: Partial<RunOptions>) => Promise<Ran>
  /** GET through the router. */
  readonly get: (
    host: string,
    path?: string,
  ) => Promise<{ readonly status: number; readonly body: string; readonly headers: Env }>
  /** Stops what runs and removes the home. */
  readonly dispose: () => Promise<void>
}

const readyPattern = /^manifold ready api=(\S+) apps=(\S+) home=(\S+)$/m
/** From a router's plain port to its TLS port where no setting says otherwise. */
const tlsPortBeside = 363
/** From its API's port to those for other hosts. */
const clusterPortsBeside = [100, 101, 102, 103]
const logplexPortBeside = 3_601
const modules = join(process.cwd(), 'node_modules')
const herokuBin = join(modules, 'heroku/bin/run.js')
const compileCache = join(modules, '.cache/node')

/** Longer than the API has patience itself. */
const apiTimeoutMs = 60_000

/** Of the machine's own home. */
const borrowed = ['bin', 'stacks']

/** git asks `heroku` for credentials, so it must be found by that name. */
const herokuOnPath = (folder: string): void => {
  const node = join(modules, 'node/bin/node')
  const script = `#!/bin/sh\nNODE_COMPILE_CACHE=${compileCache} exec ${node} ${herokuBin} "$@"\n`
  writeFileSync(join(folder, 'heroku'), script, { mode: 0o755 })
}

/** What gives git the owner's token. Asking the CLI for it, as users do, costs each push four CPU seconds. */
const gitToken = (home: string, env: Env): Env => {
  const token = readFileSync(join(home, 'keys/owner.token'), 'utf8').trim()
  const header = `Authorization: Basic ${Buffer.from(`:${token}`).toString('base64')}`
  const count = Number(env['GIT_CONFIG_COUNT'] ?? 0)
  return {
    [`GIT_CONFIG_KEY_${count}`]: 'credential.helper',
    [`GIT_CONFIG_VALUE_${count}`]: '',
    [`GIT_CONFIG_KEY_${count + 1}`]: 'http.extraHeader',
    [`GIT_CONFIG_VALUE_${count + 1}`]: header,
    GIT_CONFIG_COUNT: String(count + 2),
  }
}

/** Who runs it: a prefix of its command, and the owner of its home. */
export type As = { readonly uid: number; readonly gid: number; readonly argv: readonly string[] }

const makeHome = (as: As | undefined): { home: string; user: string } => {
  const root = mkdtempSync(join(tmpdir(), 'mf-'))
  const [home, user] = [join(root, 'h'), join(root, 'u')]
  mkdirSync(home, { mode: 0o700 })
  mkdirSync(join(user, '.cache/heroku'), { recursive: true })
  writeFileSync(join(user, '.cache/heroku/terms-of-service'), '')
  writeFileSync(
    join(user, '.gitconfig'),
    '[user]\n\tname = Ada\n\temail = ada@example.com\n[init]\n\tdefaultBranch = main\n',
  )
  mkdirSync(join(user, 'bin'))
  herokuOnPath(join(user, 'bin'))
  const shared = join(homedir(), '.manifold')
  if (as === undefined) for (const name of borrowed) symlinkSync(join(shared, name), join(home, name))
  else {
    // What is in root's home is not for others to walk to; without root there are no stacks.
    cpSync(join(shared, 'bin'), join(home, 'bin'), { recursive: true })
    execFileSync('chown', ['-R', `${as.uid}:${as.gid}`, root])
  }
  return { home, user }
}

export const startPlatform = async (settings: Env = {}, as?: As): Promise<Platform> => {
  const { home, user } = makeHome(as)
  const [port, routerPort] = [
    await freePort([...clusterPortsBeside, logplexPortBeside]),
    await freePort([tlsPortBeside]),
  ]
  const env: Env = {
    ...machineEnv(),
    HOME: user,
    MANIFOLD_HOME: home,
    MANIFOLD_PORT: String(port),
    MANIFOLD_ROUTER_PORT: String(routerPort),
    MANIFOLD_SAMPLE: '0',
    ...settings,
  }
  let child: ChildProcess
  let output = ''
  /** A start writes the file anew. */
  let sourced: Promise<Env> | undefined
  let cli: Promise<Heroku> | undefined
  const closeCli = async (): Promise<void> => {
    const open = cli
    cli = undefined
    await (await open)?.close()
  }
  const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null
  const boot = async (): Promise<number> => {
    const began = performance.now()
    let ready = false
    output = ''
    sourced = undefined
    child = start([...(as?.argv ?? []), 'bash', 'scripts/node', 'scripts/start.ts'], env, process.cwd())
    const take = (text: string): void => {
      output += text
      ready ||= readyPattern.test(output)
    }
    child.stdout?.setEncoding('utf8').on('data', take)
    child.stderr?.setEncoding('utf8').on('data', take)
    const waiting = { what: 'the ready line', timeoutMs: 120_000 }
    await until(() => ready || isOver(), waiting).catch((error: unknown) => {
      throw new Error(`the platform did not start:\n${output}`, { cause: error })
    })
    if (!ready) throw new Error(`the platform ended at its start:\n${output}`)
    return performance.now() - began
  }
  const ended = async (signal: NodeJS.Signals): Promise<number | null> => {
    await closeCli()
    return new Promise((resolve) => {
      if (isOver()) return resolve(child.exitCode)
      child.once('exit', (code) => resolve(code))
      child.kill(signal)
    })
  }
  await boot()
  // NAME=value lines as `. env` leaves them in a shell that started with next to nothing.
  const sourceEnv = async (): Promise<Env> => {
    const machine = machineEnv()
    const base = { ...machine, HOME: user, PATH: `${user}/bin:${machine['PATH']}` }
    const { stdout, stderr, code } = await run(['bash', '-c', `. ${home}/env && env -0`], { env: base })
    if (code !== 0) throw new Error(`sourcing env failed: ${stderr}`)
    return Object.fromEntries(
      stdout
        .split('\0')
        .flatMap((line) =>
          line.includes('=') ? [[line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]] : [],
        ),
    )
  }
  const userEnv = (): Promise<Env> => (sourced ??= sourceEnv())
  const asUser = async (argv: readonly string[], options: Partial<RunOptions> = {}): Promise<Ran> =>
    run(argv, { cwd: user, ...options, env: { ...(await userEnv()), ...options.env } })

  const openCli = async (): Promise<Heroku> =>
    openHeroku({ env: { ...(await userEnv()), NODE_COMPILE_CACHE: compileCache }, cwd: user })
  const heroku: Platform['heroku'] = async (args, { cwd = user, ...own } = {}) => {
    if (Object.keys(own).length > 0) return asUser(['heroku', ...args], { cwd, ...own })
    const ran = await (await (cli ??= openCli())).run(args, cwd)
    if (ran.hung) throw new Error(`heroku ${args.join(' ')} did not end`)
    return ran
  }

  const api = async (method: string, path: string, body?: unknown): Promise<Json> => {
    const token = readFileSync(join(home, 'keys/owner.token'), 'utf8').trim()
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        accept: 'application/vnd.heroku+json; version=3',
        'content-type': 'application/json',
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(apiTimeoutMs),
    })
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
    return answer.json()
  }

  return {
    home,
    port,
    routerPort,
    logplexPort: port + logplexPortBeside,
    user,
    output: () => output,
    pid: () => child.pid ?? 0,
    startSecond: (more) =>
      run(['bash', 'scripts/node', 'scripts/start.ts'], { env: { ...env, ...more }, cwd: process.cwd() }),
    stop: () => ended('SIGTERM'),
    kill: async () => void (await ended('SIGKILL')),
    restart: boot,
    heroku,
    git: async (args, options) =>
      asUser(['git', ...args], { ...options, env: { ...options?.env, ...gitToken(home, await userEnv()) } }),
    api,
    logs: async (app, session = { lines: 1_500 }) => {
      const { logplex_url: at } = await api('POST', `/apps/${app}/log-sessions`, session)
      const answer = await fetch(String(at).replace('localhost', '127.0.0.1'))
      if (!answer.ok) throw new Error(`log session: ${answer.status} ${await answer.text()}`)
      return answer.text()
    },
    dynoState: async (app, dyno) => {
      const dynos = (await api('GET', `/apps/${app}/dynos`)) as readonly { name: string; state: string }[]
      return dynos.find(({ name }) => name === dyno)?.state
    },
    userEnv,
    sourced: (script, options) => asUser(['bash', '-c', script], options),
    get: (host, path = '/') =>
      new Promise((resolve, reject) => {
        const call = request({ port: routerPort, host: '127.0.0.1', path, headers: { host } }, (answer) => {
          let body = ''
          answer.setEncoding('utf8').on('data', (text: string) => (body += text))
          answer.once('end', () => {
            const headers = Object.fromEntries(Object.entries(answer.headers).map(([k, v]) => [k, String(v)]))
            resolve({ status: answer.statusCode ?? 0, body, headers })
          })
        })
        call.once('error', reject)
        call.end()
      }),
    dispose: async () => {
      await ended('SIGTERM')
      if (as === undefined) for (const name of borrowed) rmSync(join(home, name))
      rmSync(join(home, '..'), { recursive: true, force: true })
    },
  }
}

/** The text of a file of the home, for what a test must look into. */
export const homeFile = (platform: Platform, name: string): string =>
  readFileSync(join(platform.home, name), 'utf8')

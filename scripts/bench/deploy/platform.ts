/**
 * A platform of a bench's own: its own home and ports, started as `npm start` starts it. What setup fetched
 * once (nats-server, the stack) is borrowed from the machine's own home.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'

export type OwnPlatform = {
  readonly home: string
  readonly port: number
  readonly routerPort: number
  /** Folder for what belongs to its user; removed with the rest. */
  readonly user: string
  readonly token: string
  readonly pid: number
  /** One request of the Platform API; rejects on any answer that is not a success. */
  readonly api: <T>(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: unknown) => Promise<T>
  /** What it has logged so far. */
  readonly output: () => string
  readonly dispose: () => Promise<void>
}

const project = join(import.meta.dirname, '../../..')
const readyMsMax = 120_000
const passed = /^(PATH|LANG|SSL_CERT_FILE|NODE_EXTRA_CA_CERTS|npm_config_registry)$/i

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => {
        if (typeof address === 'object' && address !== null) resolve(address.port)
        else reject(new Error('no free port'))
      })
    })
  })

const makeHome = (): { root: string; home: string; user: string } => {
  const root = mkdtempSync(join(tmpdir(), 'mf-bench-'))
  const [home, user] = [join(root, 'h'), join(root, 'u')]
  for (const folder of [home, user]) mkdirSync(folder, { mode: 0o700 })
  for (const name of ['bin', 'stacks']) symlinkSync(join(homedir(), '.manifold', name), join(home, name))
  return { root, home, user }
}

/** Resolves when the ready line was printed; rejects with what was said when the process ends before it. */
const ready = (child: ChildProcess, said: () => string): Promise<void> =>
  new Promise((resolve, reject) => {
    const fail = (why: string): void => reject(new Error(`the platform ${why}:\n${said()}`))
    const timer = setTimeout(() => fail('was not ready in time'), readyMsMax)
    child.once('exit', (code) => fail(`ended with ${code}`))
    child.stdout?.on('data', () => {
      if (!/^manifold ready /m.test(said())) return
      clearTimeout(timer)
      resolve()
    })
  })

const stop = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('exit', () => resolve())
    child.kill('SIGTERM')
  })

/** Starts it with these settings more; the caller disposes of it whatever happens. */
export const startOwnPlatform = async (more: Readonly<Record<string, string>> = {}): Promise<OwnPlatform> => {
  const { root, home, user } = makeHome()
  const [port, routerPort] = [await freePort(), await freePort()]
  const settings = {
    HOME: user,
    MANIFOLD_HOME: home,
    MANIFOLD_PORT: String(port),
    MANIFOLD_ROUTER_PORT: String(routerPort),
    MANIFOLD_SAMPLE: '0',
    ...more,
  }
  const inherited = Object.entries(process.env).filter(([name]) => passed.test(name))
  const child = spawn('bash', [join(project, 'scripts/node'), join(project, 'scripts/start.ts')], {
    cwd: project,
    env: { ...Object.fromEntries(inherited), ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  const dispose = async (): Promise<void> => {
    await stop(child)
    rmSync(root, { recursive: true, force: true })
  }
  try {
    await ready(child, () => output)
  } catch (error) {
    await dispose()
    throw error
  }
  const token = readFileSync(join(home, 'keys/owner.token'), 'utf8').trim()
  return {
    home,
    port,
    routerPort,
    user,
    token,
    pid: child.pid ?? 0,
    api: async (method, path, body) => {
      const answer = await fetch(`http://localhost:${port}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          accept: 'application/vnd.heroku+json; version=3',
          'content-type': 'application/json',
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
      return (await answer.json()) as never
    },
    output: () => output,
    dispose,
  }
}

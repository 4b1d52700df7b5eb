/**
 * The containers of config/compose.yaml as machines: a host and its bus server (`h2`, `nats2`) make one. What
 * runs in a host is read from outside, through its init process: also while it is frozen.
 */
import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { apiClient, type ApiClient } from '../../../../src/client/client.ts'
import { overHttp } from '../../../../src/client/over-http.ts'
import type { Answer } from '../clients.ts'
import { dynosIn, type Dyno } from '../dynos.ts'
import { image, output, run, type RunOptions } from './docker.ts'
import { keep, type Keeper } from './keep.ts'

const name = 'manifold-chaos'
const file = 'config/compose.yaml'
const base = 'manifold-base'
const buildMsMax = 20 * 60_000
const apiSeconds = 20
const requestMs = 30_000
const routerPort = 8080
const address = (host: string): string => `172.30.251.1${host.slice(1)}`
export const busOf = (host: string): string => `nats${host.slice(1)}`

/** By this machine's own programs: those of the container may stand still. */
const inNetworkOf = (pid: number, argv: readonly string[]): readonly string[] => [
  'nsenter',
  '--target',
  String(pid),
  '--net',
  '--',
  ...argv,
]

export type Site = ReturnType<typeof openSite>

export const openSite = (names: readonly string[]) => {
  const password = `p${randomBytes(12).toString('hex')}`
  const compose = (args: readonly string[], options: RunOptions = {}): Promise<string> =>
    run(['docker-compose', '--project-name', name, '--file', file, ...args], {
      ...options,
      env: { NATS_PASSWORD: password },
    })
  const container = (service: string): string => `${name}_${service}_1`
  const docker = (...args: readonly string[]): Promise<string> => run(['docker', ...args])
  /** Process ids of the containers' init processes; those that do not run are not in it. */
  const pids = new Map<string, number>()
  const look = async (): Promise<void> => {
    const services = names.flatMap((host) => [host, busOf(host)])
    const format = '{{.Name}} {{.State.Pid}}'
    const said = await docker('inspect', '--format', format, ...services.map(container))
    pids.clear()
    for (const line of said.trim().split('\n')) {
      const [full = '', pid = '0'] = line.replace(/^\//, '').split(' ')
      if (pid !== '0') pids.set(full.slice(name.length + 1, -2), Number(pid))
    }
  }
  const pidOf = (service: string): number => {
    const pid = pids.get(service)
    if (pid === undefined) throw new Error(`${service} does not run`)
    return pid
  }
  return {
    names,
    password,
    compose,
    docker,
    container,
    address,
    look,
    exec: (host: string, script: string, input = ''): Promise<string> =>
      run(['docker', 'exec', '--interactive', container(host), 'sh', '-c', script], { input }),
    /** The image of this checkout; quick when nothing but our own files changed. */
    async build(log: (line: string) => void): Promise<void> {
      await run([join(import.meta.dirname, 'base-image'), base], { timeoutMs: buildMsMax })
      log('building the image')
      const from = ['--network', 'host', '--build-arg', `BASE=${base}`, '--file', 'config/Dockerfile']
      await run(['docker', 'build', '--quiet', ...from, '--tag', image, '.'], { timeoutMs: buildMsMax })
    },
    /** Resolves when the world is this process's alone, and empty; it ends with the keeper. */
    keep: (): Promise<Keeper> => keep(name, file, password),
    /** A GET of its API, of what does not end by itself; no token is sent. Ends when there is no answer. */
    listen(host: string, path: string, headers: Readonly<Record<string, string>>): Promise<Readable> {
      const words = [
        'curl',
        '--silent',
        '--fail',
        '--no-buffer',
        '--noproxy',
        '*',
        ...Object.entries(headers).flatMap(([name, value]) => ['--header', `${name}: ${value}`]),
        `http://localhost:5000${path}`,
      ]
      return Promise.resolve(output(inNetworkOf(pidOf(host), words)))
    },
    /** Puts those rules for nft into the network of a container; nothing when it does not run. */
    async rule(service: string, rules: string): Promise<void> {
      await look()
      const pid = pids.get(service)
      // By the nft of its image: an older one of this machine may not read what that put there.
      const words = ['nsenter', '--target', String(pid), '--mount', '--net', '--', 'nft', '-f', '-']
      if (pid !== undefined) await run(words, { input: rules })
    },
    /** The API of that host, as its owner. Rejects when there is no answer. */
    api: (host: string): ApiClient =>
      apiClient(
        overHttp(async ({ method, path, headers, body }) => {
          const script = `curl -sS -m ${apiSeconds} -w '\\n%{http_code}' --data-binary @- \
            -H "Authorization: Bearer $(cat $MANIFOLD_HOME/keys/owner.token)" "$@"`
          const said = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
          const inside = ['sh', '-c', script, 'sh', '-X', method, ...said, `http://localhost:5000${path}`]
          const answer = await run(['docker', 'exec', '--interactive', container(host), ...inside], {
            input: body ?? '',
            timeoutMs: (apiSeconds + 5) * 1_000,
          })
          const end = answer.lastIndexOf('\n')
          const [text, status] = [answer.slice(0, end), Number(answer.slice(end + 1))]
          return { status, text, header: () => undefined }
        }),
      ),
    get: (host: string, app: string, headers: Headers): Promise<Answer> =>
      getFrom(address(host), { host: `${app}.localhost`, connection: 'close', ...headers }),
    dynos: (): readonly Dyno[] =>
      names.flatMap((host) => {
        const pid = pids.get(host)
        return pid === undefined ? [] : dynosIn(host, `/proc/${pid}/root`, '/var/lib/manifold/containers')
      }),
  }
}

type Headers = Readonly<Record<string, string>>

const getFrom = (host: string, headers: Headers): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const sent = request({ host, port: routerPort, path: '/', headers, agent: false }, (answer) => {
      let body = ''
      answer.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
      answer.once('error', reject)
      answer.once('end', () => resolve({ status: answer.statusCode ?? 0, body }))
    })
    sent.setTimeout(requestMs, () =>
      sent.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })),
    )
    sent.once('error', reject)
    sent.end()
  })

/** nginx and HAProxy as Debian ships them, as plain forwarders: one port of theirs for each dyno. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { until } from './until.ts'

export type WebServer = 'nginx' | 'haproxy'
/** From the port that clients use to the port that a dyno listens at. */
export type Forwards = readonly (readonly [from: number, to: number])[]

const tempPaths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']

const nginxConf = (folder: string, forwards: Forwards): string => `
daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log crit;
events { worker_connections 2048; }
http {
  access_log off;
  ${tempPaths.map((one) => `${one}_temp_path ${folder}/${one};`).join(' ')}
  client_max_body_size 0; large_client_header_buffers 64 16k; underscores_in_headers on;
  proxy_http_version 1.1; proxy_request_buffering off; proxy_set_header Connection "";
  proxy_set_header Host $http_host;
  ${forwards
    .map(
      ([from, to]) => `upstream u${from} { server 127.0.0.1:${to}; keepalive 4; }
  server { listen 127.0.0.1:${from}; location / { proxy_pass http://u${from}; } }`,
    )
    .join('\n  ')}
}
`

const haproxyConf = (_folder: string, forwards: Forwards): string => `
global
  maxconn 4000
defaults
  mode http
  timeout client 20s
  timeout server 20s
  timeout connect 5s
${forwards
  .map(
    ([from, to]) => `frontend f${from}
  bind 127.0.0.1:${from}
  default_backend b${from}
backend b${from}
  server s 127.0.0.1:${to}`,
  )
  .join('\n')}
`

const kinds: Readonly<
  Record<WebServer, { conf: typeof nginxConf; argv: (conf: string) => readonly string[] }>
> = {
  nginx: { conf: nginxConf, argv: (conf) => ['nginx', '-c', conf] },
  haproxy: { conf: haproxyConf, argv: (conf) => ['haproxy', '-db', '-f', conf] },
}

/** As it says itself; `none` when it is not installed. */
export const versionOf = (kind: WebServer): string => {
  const { stdout, stderr } = spawnSync(kind, ['-v'], { encoding: 'utf8' })
  return /version:? (?:nginx\/)?(\S+)/.exec(`${stdout}${stderr}`)?.[1] ?? 'none'
}

/** Starts it; it ends with the test. @throws Error with what it said when it does not listen */
export const startWebServer = async (t: Test, kind: WebServer, forwards: Forwards): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), `manifold-${kind}-`))
  const file = join(folder, 'conf')
  writeFileSync(file, kinds[kind].conf(folder, forwards))
  const [program = '', ...args] = kinds[kind].argv(file)
  let said = ''
  const child: ChildProcess = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (bytes) => (said += String(bytes)))
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  t.teardown(async () => {
    child.kill('SIGTERM')
    await ended
    rmSync(folder, { recursive: true, force: true })
  })
  const [port] = forwards[0] ?? [0]
  await until(() => listens(port), { what: `${kind} to listen: ${said}` })
}

const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('connect', () => (socket.destroy(), resolve(true)))
    socket.once('error', () => resolve(false))
  })

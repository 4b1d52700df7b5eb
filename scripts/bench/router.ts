/**
 * The router's whole job (router/serve.ts) beside nginx, HAProxy and Caddy: CPU per request of one worker
 * each, pinned to one core, with wrk and a fast upstream on the other; the same added headers and an access
 * line a request for all.
 *
 * Peers that are not installed leave their cells empty.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { row, type BenchOptions, type Row } from './report.ts'
import { twoChoicesRows } from './router/two-choices.ts'

type Load = {
  readonly what: string
  readonly path: string
  readonly wrk: readonly string[]
  readonly goal: string
}
type Measured = { readonly cpuUs: number; readonly p99Ms: number; readonly perSecond: number }
type PeerSettings = {
  readonly text: (dir: string, port: number, origin: number) => string
  readonly args: (conf: string) => readonly string[]
}
type Running = { readonly name: string; readonly child: ChildProcess; readonly port: number }

const loads: readonly Load[] = [
  { what: 'small keep-alive', path: '/small', wrk: ['-c64'], goal: '<=0.9' },
  { what: '10 KB', path: '/10k', wrk: ['-c64'], goal: '<=1' },
  { what: '1 MB', path: '/1m', wrk: ['-c16'], goal: '<=1' },
  { what: 'POST 1 KB', path: '/small', wrk: ['-c64', '-s', 'post.lua'], goal: '<=1' },
  { what: 'new connection each', path: '/small', wrk: ['-c64', '-H', 'Connection: close'], goal: '<=1.2' },
]
const peers = ['nginx', 'haproxy', 'caddy'] as const
const serveFile = join(import.meta.dirname, 'router', 'serve.ts')

/** Rows of CPU µs a request for each load, and p99 of the first; then what the choice of a dyno is worth. */
export async function run(options: BenchOptions): Promise<readonly Row[]> {
  return [...(await dataPath(options)), ...twoChoicesRows(options.quick)]
}

async function dataPath({ quick, log }: BenchOptions): Promise<readonly Row[]> {
  if (!installed('wrk') || !installed('nginx')) {
    log('wrk and nginx (as the upstream) are needed: apt-get install wrk nginx haproxy caddy')
    return loads.map(({ what, goal }) =>
      row({ what, unit: 'cpu_us/request', ours: null, peers: noPeers(), goal }),
    )
  }
  const dir = mkdtempSync(join(tmpdir(), 'manifold-bench-'))
  const children: ChildProcess[] = []
  try {
    return await measure(dir, children, quick, log)
  } finally {
    for (const child of children) child.kill('SIGKILL')
    rmSync(dir, { recursive: true, force: true })
  }
}

async function measure(dir: string, children: ChildProcess[], quick: boolean, log: (line: string) => void) {
  writeFileSync(join(dir, '10k'), Buffer.alloc(10_240, 'x'))
  writeFileSync(join(dir, '1m'), Buffer.alloc(1_048_576, 'x'))
  writeFileSync(join(dir, 'post.lua'), 'wrk.method = "POST"\nwrk.body = string.rep("x", 1024)\n')
  const lastCore = cpus().length - 1
  const start = (core: number, command: string, args: readonly string[]): ChildProcess => {
    const errors = openSync(join(dir, `${children.length}.err`), 'w')
    const pinned = ['-c', String(core), command, ...args]
    const child = spawn('taskset', pinned, { cwd: dir, stdio: ['ignore', 'ignore', errors] })
    closeSync(errors)
    children.push(child)
    return child
  }
  const origin = await freePort()
  writeFileSync(join(dir, 'origin.conf'), originConf(dir, origin))
  start(lastCore, 'nginx', ['-c', join(dir, 'origin.conf')])
  const running: Running[] = []
  const ours = await freePort()
  running.push({
    name: 'ours',
    port: ours,
    child: start(0, process.execPath, [serveFile, String(ours), String(origin), dir]),
  })
  for (const name of peers.filter(installed)) {
    const port = await freePort()
    const conf = join(dir, `${name}.conf`)
    const { text, args } = peerSettings[name]
    writeFileSync(conf, text(dir, port, origin))
    const child = start(0, name, args(conf))
    running.push({ name, port, child })
  }
  for (const { name, port } of running) await answers(name, port)

  const results = new Map<string, Measured[]>()
  const seconds = quick ? 2 : 4
  // Compilers and pools need some thousands of requests before a figure means anything.
  for (const proxy of running) for (const load of loads) await drive(dir, lastCore, proxy, load, 2)
  for (let round = 0; round < (quick ? 1 : 3); round += 1) {
    for (const load of loads) {
      for (const proxy of running) {
        const measured = await drive(dir, lastCore, proxy, load, seconds)
        const key = `${load.what}|${proxy.name}`
        results.set(key, [...(results.get(key) ?? []), measured])
        const { cpuUs, p99Ms, perSecond } = measured
        log(
          `${load.what.padEnd(20)} ${proxy.name.padEnd(8)} ${cpuUs.toFixed(1)} us/request, ${Math.round(perSecond)}/s, p99 ${p99Ms} ms`,
        )
      }
    }
  }
  const figure = (what: string, name: string, pick: (measured: Measured) => number): number | null => {
    const values = (results.get(`${what}|${name}`) ?? []).map(pick).toSorted((a, b) => a - b)
    return values[Math.floor(values.length / 2)] ?? null
  }
  const line = (
    what: string,
    label: string,
    unit: string,
    goal: string,
    pick: (measured: Measured) => number,
  ) =>
    row({
      what: label,
      unit,
      goal,
      ours: figure(what, 'ours', pick),
      peers: Object.fromEntries(peers.map((name) => [name, figure(what, name, pick)])),
      ...(running.length > 1 ? { against: 'nginx' } : {}),
    })
  return [
    ...loads.map(({ what, goal }) => line(what, what, 'cpu_us/request', goal, ({ cpuUs }) => cpuUs)),
    line('small keep-alive', 'small keep-alive p99', 'ms', '<=1', ({ p99Ms }) => p99Ms),
  ]
}

/** One run of wrk against one proxy, and what it cost that proxy's process. */
async function drive(
  dir: string,
  core: number,
  proxy: Running,
  load: Load,
  seconds: number,
): Promise<Measured> {
  const pid = proxy.child.pid as number
  const url = `http://127.0.0.1:${proxy.port}${load.path}`
  const args = ['-c', String(core), 'wrk', '-t1', `-d${seconds}s`, '--latency', ...load.wrk, url]
  const before = cpuMs(pid)
  const wrk = spawn('taskset', args, { cwd: dir, stdio: ['ignore', 'pipe', 'inherit'] })
  let out = ''
  wrk.stdout.on('data', (text: Buffer) => (out += text.toString()))
  await new Promise((resolve) => wrk.on('close', resolve))
  const spentMs = cpuMs(pid) - before
  const requests = Number(/(\d+) requests in/.exec(out)?.[1] ?? 0)
  const p99 = /99%\s+([\d.]+)(us|ms|s)/.exec(out)
  const failures = /Non-2xx[^\n]*|Socket errors: connect [^\n]*/.exec(out)?.[0]
  if (requests === 0 || failures?.startsWith('Non') === true)
    throw new Error(`${proxy.name}: ${failures ?? out}`)
  const scale = p99?.[2] === 'us' ? 0.001 : p99?.[2] === 's' ? 1000 : 1
  return {
    cpuUs: (spentMs * 1000) / requests,
    p99Ms: Number(p99?.[1] ?? 0) * scale,
    perSecond: requests / seconds,
  }
}

/** User and system time of a process; the kernel counts in hundredths of a second. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

function installed(command: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${command} && command -v taskset`]).status === 0
}

function noPeers(): Record<string, null> {
  return Object.fromEntries(peers.map((name) => [name, null]))
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function answers(name: string, port: number): Promise<void> {
  const endMs = performance.now() + 10_000
  for (;;) {
    try {
      if ((await fetch(`http://127.0.0.1:${port}/small`)).ok) return
    } catch (cause) {
      if (performance.now() > endMs) throw new Error(`${name} does not answer`, { cause })
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const nginxMain = (dir: string, name: string): string => `
daemon off; master_process off; worker_processes 1; user root; pid ${dir}/${name}.pid; error_log ${dir}/${name}.log;
events { worker_connections 4096; }
`

const originConf = (dir: string, port: number): string => `${nginxMain(dir, 'origin')}
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600; sendfile on; tcp_nodelay on;
  server {
    listen 127.0.0.1:${port} backlog=4096; root ${dir};
    location /small { default_type text/plain; return 200 "hello, world\\n"; }
  }
}
`

const nginxConf = (dir: string, port: number, origin: number): string => `${nginxMain(dir, 'proxy')}
http {
  log_format access 'at=info method=$request_method path="$request_uri" host=$host request_id=$request_id '
    'fwd="$proxy_add_x_forwarded_for" dyno=web.1 connect=$upstream_connect_time service=$request_time '
    'status=$status bytes=$bytes_sent protocol=http';
  access_log ${dir}/nginx-access.log access buffer=64k;
  keepalive_requests 1000000000; client_max_body_size 0; tcp_nodelay on;
  upstream origin { server 127.0.0.1:${origin}; keepalive 64; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host; proxy_set_header X-Request-Id $request_id;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Port $server_port; proxy_set_header X-Request-Start $msec;
      proxy_set_header Via "1.1 nginx"; add_header Via "1.1 nginx";
    }
  }
}
`

const haproxyConf = (_: string, port: number, origin: number): string => `
global
  nbthread 1
  maxconn 4096
  log stdout format raw local0
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option httplog
  log global
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
frontend front
  bind 127.0.0.1:${port} backlog 4096
  option forwardfor
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Port %[dst_port]
  http-request set-header X-Request-Start %[date()]
  http-request add-header Via "1.1 haproxy"
  http-response add-header Via "1.1 haproxy"
  default_backend back
backend back
  http-reuse always
  server origin 127.0.0.1:${origin} pool-max-conn 64
`

const caddyConf = (dir: string, port: number, origin: number): string => `
{
  admin off
  auto_https off
}
http://127.0.0.1:${port} {
  log {
    output file ${dir}/caddy-access.log
  }
  reverse_proxy 127.0.0.1:${origin} {
    header_up X-Request-Id {http.request.uuid}
    header_up X-Forwarded-Port ${port}
    header_up X-Request-Start {time.now.unix_ms}
    header_up Via "1.1 caddy"
    header_down Via "1.1 caddy"
  }
}
`

const peerSettings: Readonly<Record<(typeof peers)[number], PeerSettings>> = {
  nginx: { text: nginxConf, args: (conf) => ['-c', conf] },
  haproxy: { text: haproxyConf, args: (conf) => ['-db', '-f', conf] },
  caddy: { text: caddyConf, args: (conf) => ['run', '--adapter', 'caddyfile', '--config', conf] },
}

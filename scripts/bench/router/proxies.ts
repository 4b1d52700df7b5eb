/** Starts the upstream and each proxy there is: every proxy pinned to one core, the rest to another. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { caddyConf, haproxyConf, nginxConf, originConf, type Place } from './configs.ts'

export type Running = {
  readonly name: string
  readonly pid: number
  readonly port: number
  readonly tlsPort: number
}
export type Proxies = {
  readonly all: readonly Running[]
  stop(): Promise<void>
}
type Program = { readonly command: string; readonly args: readonly string[] }

export const peers = ['nginx', 'haproxy', 'caddy', 'http-proxy-3'] as const
type Peer = (typeof peers)[number]

const proxyCore = 0
const certificateDays = 2
const answerMsMax = 10_000
const pollMs = 50

export const installed = (command: string): boolean =>
  spawnSync('sh', ['-c', `command -v ${command} && command -v taskset`]).status === 0

/** The words that run a command on the core that the proxies have not. */
export const besideProxies = (
  command: string,
  args: readonly string[],
): readonly [string, readonly string[]] => ['taskset', ['-c', String(cpus().length - 1), command, ...args]]

/** @param dir gets their settings and logs */
export const startProxies = async (dir: string): Promise<Proxies> => {
  const children: ChildProcess[] = []
  const stop = async (): Promise<void> => {
    for (const child of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    }
  }
  const start = (core: number, { command, args }: Program): number => {
    const errors = openSync(join(dir, `${children.length}.err`), 'w')
    const pinned = ['-c', String(core), command, ...args]
    const child = spawn('taskset', pinned, { cwd: dir, stdio: ['ignore', 'ignore', errors] })
    closeSync(errors)
    children.push(child)
    return child.pid ?? 0
  }
  try {
    const certificate = makeCertificate(dir)
    const origin = await freePort()
    const echo = await freePort()
    const lastCore = cpus().length - 1
    writeFileSync(join(dir, 'origin.conf'), originConf(dir, origin, echo))
    start(lastCore, { command: 'nginx', args: ['-c', join(dir, 'origin.conf')] })
    start(lastCore, script('echo.ts', [echo]))
    const all: Running[] = []
    for (const name of [
      'ours',
      ...peers.filter((peer) => peer === 'http-proxy-3' || installed(peer)),
    ] as const) {
      const place: Place = { dir, port: await freePort(), tlsPort: await freePort(), origin, certificate }
      const pid = start(proxyCore, programOf(name, place))
      all.push({ name, pid, port: place.port, tlsPort: place.tlsPort })
    }
    for (const { name, port } of all) await answers(name, port)
    return { all, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

const script = (file: string, words: readonly (string | number)[]): Program => ({
  command: process.execPath,
  args: [join(import.meta.dirname, file), ...words.map(String)],
})

const programOf = (name: 'ours' | Peer, place: Place): Program => {
  const { dir, port, tlsPort, origin, certificate } = place
  const words = [port, tlsPort, origin, dir, certificate]
  if (name === 'ours') return script('serve.ts', words)
  if (name === 'http-proxy-3') return script('http-proxy-3.ts', words)
  const conf = join(dir, `${name}.conf`)
  const settings = { nginx: nginxConf, haproxy: haproxyConf, caddy: caddyConf }
  writeFileSync(conf, settings[name](place))
  if (name === 'nginx') return { command: name, args: ['-c', conf] }
  if (name === 'haproxy') return { command: name, args: ['-db', '-f', conf] }
  return { command: name, args: ['run', '--adapter', 'caddyfile', '--config', conf] }
}

/** Self-signed, by openssl: P-256, as the platform's own are. */
const makeCertificate = (dir: string): string => {
  const file = join(dir, 'certificate.pem')
  const wanted =
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=127.0.0.1 ' +
    `-addext subjectAltName=IP:127.0.0.1 -days ${certificateDays} -keyout`
  const made = spawnSync('openssl', [...wanted.split(' '), file], { encoding: 'utf8' })
  if (made.status !== 0) throw new Error(`openssl made no certificate: ${made.stderr}`)
  writeFileSync(file, made.stdout, { flag: 'a' })
  return file
}

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

const answers = async (name: string, port: number): Promise<void> => {
  const deadline = performance.now() + answerMsMax
  for (;;) {
    try {
      if ((await fetch(`http://127.0.0.1:${port}/small`)).ok) return
    } catch (cause) {
      if (performance.now() > deadline) throw new Error(`${name} does not answer`, { cause })
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}

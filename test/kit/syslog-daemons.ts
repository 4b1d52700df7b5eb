/**
 * rsyslog and syslog-ng as Debian ships them, unpacked by `scripts/setup --dev` and not installed: the two
 * exclude each other there. Each listens for octet-counted frames over TCP and TLS and writes what it
 * understood, one JSON object a line.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Identity } from './drains.ts'
import { freePorts } from './ports.ts'
import { until } from './until.ts'

export type Daemon = 'rsyslog' | 'syslog-ng'

const receivers = join(process.env['MANIFOLD_HOME'] ?? join(homedir(), '.manifold'), 'receivers')
const lib = 'lib/x86_64-linux-gnu'

const rsyslogConf = (folder: string, tcp: number, tls: number): string => `
global(workDirectory="${folder}" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off"
  defaultNetstreamDriverCAFile="${folder}/ca.pem" defaultNetstreamDriverCertFile="${folder}/cert.pem"
  defaultNetstreamDriverKeyFile="${folder}/key.pem")
module(load="imptcp")
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon")
template(name="j" type="list" option.jsonf="on") {
  property(outname="pri" name="pri" format="jsonf")
  property(outname="ts" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="app" name="app-name" format="jsonf")
  property(outname="proc" name="procid" format="jsonf")
  property(outname="msg" name="msg" format="jsonf") }
ruleset(name="cap") { action(type="omfile" file="${folder}/out" template="j" flushOnTXEnd="on") }
input(type="imptcp" address="127.0.0.1" port="${tcp}" ruleset="cap" maxFrameSize="65536")
input(type="imtcp" address="127.0.0.1" port="${tls}" ruleset="cap" maxFrameSize="65536")
`

const syslogNgConf = (folder: string, tcp: number, tls: number): string => `
@version: 3.35
options { keep-hostname(yes); use-dns(no); log-msg-size(65536); frac-digits(6); time-zone("+00:00"); };
source s {
  syslog(ip("127.0.0.1") port(${tcp}) transport("tcp"));
  syslog(ip("127.0.0.1") port(${tls}) transport("tls")
    tls(key-file("${folder}/key.pem") cert-file("${folder}/cert.pem") peer-verify(optional-untrusted)));
};
destination d { file("${folder}/out" template(
  "$(format-json pri=$PRI ts=$ISODATE host=$HOST app=$PROGRAM proc=$PID msg=$MESSAGE)\\n")); };
log { source(s); destination(d); };
`

type Files = Readonly<Record<string, string>>
type Kind = {
  readonly conf: typeof rsyslogConf
  readonly program: string
  readonly argv: (root: string, folder: string) => readonly string[]
}

const kinds: Readonly<Record<Daemon, Kind>> = {
  rsyslog: {
    conf: rsyslogConf,
    program: 'usr/sbin/rsyslogd',
    argv: (root, folder) => `-n -f ${folder}/conf -i ${folder}/pid -M ${root}/usr/${lib}/rsyslog`.split(' '),
  },
  'syslog-ng': {
    conf: syslogNgConf,
    program: 'usr/sbin/syslog-ng',
    argv: (root, folder) => [
      ...`-F --no-caps -f ${folder}/conf -R ${folder}/persist`.split(' '),
      ...`-c ${folder}/ctl -p ${folder}/pid --module-path=${root}/usr/lib/syslog-ng/3.38`.split(' '),
    ],
  },
}

/** Whether this machine has it. */
export const hasDaemon = (kind: Daemon): boolean => existsSync(join(receivers, kind, kinds[kind].program))

/** How it is run with `conf` of this folder, where it also keeps what is its own. */
export const commandOf = (kind: Daemon, folder: string) => {
  const root = join(receivers, kind)
  const libraries = [`${root}/usr/${lib}`, `${root}/${lib}`, `${root}/usr/lib/syslog-ng`].join(':')
  return {
    program: join(root, kinds[kind].program),
    argv: kinds[kind].argv(root, folder),
    env: { LD_LIBRARY_PATH: libraries, TZ: 'UTC' },
  }
}

/** What a daemon says of one message. */
export type Understood = Readonly<Record<'pri' | 'ts' | 'host' | 'app' | 'proc' | 'msg', string>>

/**
 * Starts it with this configuration and these files beside it; it ends with the test.
 *
 * @param ports on which it listens once it is there
 * @returns its folder
 * @throws Error with what it said when it does not listen
 */
export const runDaemon = async (
  t: Test,
  kind: Daemon,
  ports: readonly number[],
  { conf, files }: { readonly conf: (folder: string) => string; readonly files: Files },
): Promise<string> => {
  const folder = mkdtempSync(join(tmpdir(), `manifold-${kind}-`))
  for (const [name, text] of Object.entries({ ...files, conf: conf(folder) }))
    writeFileSync(join(folder, name), text)
  let said = ''
  const { program, argv, env } = commandOf(kind, folder)
  const child: ChildProcess = spawn(program, argv, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (bytes) => (said += String(bytes)))
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
    rmSync(folder, { recursive: true, force: true })
  })
  for (const port of ports) {
    await until(() => listens(port), { what: `${kind} to listen`, timeoutMs: 20_000 }).catch(
      (error: unknown) => {
        throw new Error(`${kind} said: ${said}`, { cause: error })
      },
    )
  }
  return folder
}

/** As a receiver. */
export const startDaemon = async (t: Test, kind: Daemon, { certificate, key, ca }: Identity) => {
  const [tcp = 0, tls = 0] = await freePorts(2)
  const folder = await runDaemon(t, kind, [tcp, tls], {
    conf: (at) => kinds[kind].conf(at, tcp, tls),
    files: { 'cert.pem': certificate, 'key.pem': key, 'ca.pem': ca },
  })
  const understood = (): readonly Understood[] => {
    const file = join(folder, 'out')
    if (!existsSync(file)) return []
    const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
    return lines.map((line) => JSON.parse(line) as Understood)
  }
  return { tcp, tls, understood }
}

const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('connect', () => (socket.destroy(), resolve(true)))
    socket.once('error', () => resolve(false))
  })

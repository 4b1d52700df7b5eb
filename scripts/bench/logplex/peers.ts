/**
 * The peers: rsyslog and syslog-ng as Debian ships them, each told to follow a file and to send what is
 * written there as RFC 5424 messages, octet-counted over TCP, which is what a syslog drain does. Neither
 * drops a line when the receiver is slower than it; neither keeps one on disk.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { commandOf, hasDaemon, type Daemon } from '../../../test/kit/syslog-daemons.ts'
import { cpuMsOf } from '../deploy/cpu.ts'
import type { Ends } from './ends.ts'
import { writeLines } from './lines.ts'
import type { Port } from './receiving.ts'

export type Flow = { readonly lines: number; readonly wallMs: number; readonly cpuMs: number }

const rsyslogConf = (folder: string, port: number): string => `
global(workDirectory="${folder}" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off")
module(load="imfile" mode="inotify")
input(type="imfile" file="${folder}/lines" tag="web.1" ruleset="forward")
ruleset(name="forward") {
  action(type="omfwd" target="127.0.0.1" port="${port}" protocol="tcp" tcp_framing="octet-counted"
    template="RSYSLOG_SyslogProtocol23Format") }
`

const syslogNgConf = (folder: string, port: number): string => `
@version: 3.35
options { keep-hostname(yes); use-dns(no); log-msg-size(65536); frac-digits(6); stats-freq(0); };
source s { file("${folder}/lines" flags(no-parse) follow-freq(0.1) log-fetch-limit(1000) log-iw-size(10000)); };
destination d { syslog("127.0.0.1" port(${port}) transport("tcp") flush-lines(1000) log-fifo-size(20000)); };
log { source(s); destination(d); flags(flow-control); };
`

const confs = { rsyslog: rsyslogConf, 'syslog-ng': syslogNgConf } as const
/** Until it has read its configuration and waits at the file. */
const settleMs = 1_500
const quietMs = 15_000

/** Undefined: it is not on this machine (`scripts/setup --dev`). */
export const forwardBy = async (
  kind: Daemon,
  parent: string,
  to: Port,
  sources: number,
  linesEach: number,
  ends: Ends,
): Promise<Flow | undefined> => {
  if (!hasDaemon(kind)) return undefined
  const folder = join(parent, kind)
  mkdirSync(folder)
  writeFileSync(join(folder, 'conf'), confs[kind](folder, to.port))
  writeFileSync(join(folder, 'lines'), '')
  const { program, argv, env } = commandOf(kind, folder)
  const child = spawn(program, argv, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (said += String(bytes)))
  const ended = once(child, 'exit').catch(() => undefined)
  const end = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
  }
  await ends.up(pause(settleMs), end)
  if (child.pid === undefined || child.exitCode !== null) throw new Error(`${kind} ended: ${said}`)
  const before = await to.tally('reset')
  const cpuBeforeMs = cpuMsOf(child.pid, 'alone')
  const beganAt = Date.now()
  await writeLines(join(folder, 'lines'), sources, linesEach)
  const all = sources * linesEach
  const { lines, doubles, lastAt } = await to.whole(all, quietMs)
  const cpuMs = cpuMsOf(child.pid, 'alone') - cpuBeforeMs
  await end()
  if (lines !== all || doubles > 0)
    throw new Error(`${kind} sent ${lines} of ${all} lines, ${doubles} twice (${before.frames}): ${said}`)
  return { lines, wallMs: lastAt - beganAt, cpuMs }
}

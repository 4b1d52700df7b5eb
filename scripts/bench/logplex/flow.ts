/**
 * Flow: what a line costs from a dyno's output to a syslog drain, beside rsyslog and syslog-ng that forward
 * the same lines from a file to the same receiver.
 */
import type { OwnPlatform } from '../deploy/platform.ts'
import { row, type Row } from '../report.ts'
import type { Ends } from './ends.ts'
import { forwardBy, type Flow } from './peers.ts'
import type { Port } from './receiving.ts'
import { cpuOf, cpuSince, talk } from './site.ts'

export type FlowBench = {
  readonly platform: OwnPlatform
  readonly to: Port
  readonly peersTo: Port
  readonly folder: string
  readonly dynos: number
  readonly linesEach: number
  readonly ends: Ends
  readonly log: (line: string) => void
}

const quietMs = 15_000

export const measureFlow = async (bench: FlowBench): Promise<readonly Row[]> => {
  const { platform, to, peersTo, folder, dynos, linesEach, ends, log } = bench
  const peers: Record<string, Flow | undefined> = {}
  for (const kind of ['syslog-ng', 'rsyslog'] as const) {
    const flow = await forwardBy(kind, folder, peersTo, dynos, linesEach, ends)
    peers[kind] = flow
    log(flow === undefined ? `${kind}: not on this machine` : `${kind}: ${shown(flow)}`)
  }
  const sent = dynos * linesEach
  const { tally, cpu, wallMs } = await talk(
    platform,
    { dynos, linesEach, linesPerSecond: 0 },
    async (goAt) => {
      await to.tally('reset')
      const before = cpuOf(platform)
      const got = await to.whole(sent, quietMs)
      return { tally: got, cpu: cpuSince(before, cpuOf(platform)), wallMs: got.lastAt - goAt }
    },
  )
  const { lines, told, untold, doubles } = tally
  // Dropped lines are told of all kinds: some few may be the platform's own.
  const missing = Math.max(0, sent - lines - told)
  log(`ours: ${shown({ lines, wallMs, cpuMs: cpu.hostMs + cpu.busMs })}`)
  log(`  ${told} told as dropped, ${untold} losses without a number, ${missing} missing, ${doubles} twice`)
  log(`  CPU: host process ${cpu.hostMs} ms, nats-server ${cpu.busMs}, conmon ${cpu.keepersMs}`)
  const perCpu = (flow: Flow | undefined): number | null =>
    flow === undefined ? null : (1_000 * flow.lines) / flow.cpuMs
  const each = (of: (flow: Flow) => number): Record<string, number | null> =>
    Object.fromEntries(Object.entries(peers).map(([kind, flow]) => [kind, flow ? of(flow) : null]))
  const ours = { lines, wallMs, cpuMs: cpu.hostMs + cpu.busMs }
  const rate = (against: string, goal: string): Row =>
    row({
      what: `lines a CPU second, host process and nats-server, of ${against}`,
      unit: 'lines/cpu_s',
      ours: perCpu(ours),
      peers: { [against]: perCpu(peers[against]) },
      goal,
    })
  return [
    rate('syslog-ng', '>=1'),
    rate('rsyslog', '>=0.5'),
    row({
      what: '  with conmon, which writes what the peers found in a file',
      unit: 'lines/cpu_s',
      ours: (1_000 * lines) / (ours.cpuMs + cpu.keepersMs),
      peers: each((flow) => perCpu(flow) ?? 0),
      against: 'syslog-ng',
    }),
    row({
      what: `  wall clock, ${dynos} dynos of one app, ${sent} lines`,
      unit: 'lines/s',
      ours: (1_000 * lines) / wallMs,
      peers: each((flow) => (1_000 * flow.lines) / flow.wallMs),
      against: 'syslog-ng',
    }),
    ...(['hostMs', 'busMs', 'keepersMs'] as const).map((which) =>
      row({
        what: `  CPU of ${{ hostMs: 'the host process', busMs: 'nats-server', keepersMs: 'conmon' }[which]}`,
        unit: 'us/line',
        ours: (1_000 * cpu[which]) / lines,
        peers: which === 'hostMs' ? each((flow) => (1_000 * flow.cpuMs) / flow.lines) : {},
      }),
    ),
    row({ what: '  told as dropped (L10, L12)', unit: '% of lines', ours: (100 * told) / sent }),
    row({ what: '  neither received nor told', unit: 'lines', ours: missing + untold, goal: '<=0' }),
  ]
}

const shown = ({ lines, wallMs, cpuMs }: Flow): string =>
  `${lines} lines in ${Math.round(wallMs)} ms, ${cpuMs} ms of CPU, ${Math.round((1_000 * lines) / cpuMs)} lines a CPU second`

/** Many channels: what they weigh when idle, and ten thousand apps that each say little. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { row, type Row } from '../report.ts'
import type { IdleResult } from './crowd-idle.ts'
import type { Job, Result } from './crowd-process.ts'
import type { CrowdResult } from './crowd-run.ts'
import type { Ends } from './ends.ts'
import type { Port } from './receiving.ts'

/** Of DESIGN §9: what an idle app may weigh in the control plane, its channel included. */
const idleBytesMax = 2_048
const mb = 2 ** 20
const quietMs = 5_000

export const measureIdle = async (channels: number, ends: Ends): Promise<readonly Row[]> => {
  const idle = await inProcess<IdleResult>({ what: 'idle', channels }, ends)
  return [
    row({
      what: `an idle channel, of ${channels}`,
      unit: 'bytes',
      ours: idle.bytesEach,
      goal: `<=${idleBytesMax}`,
    }),
    row({ what: '  as the process grew', unit: 'bytes', ours: idle.residentEach }),
    row({ what: '  once it was idle for five minutes', unit: 'bytes', ours: idle.leftEach }),
  ]
}

export const measureCrowd = async (
  apps: number,
  forMs: number,
  to: Port,
  log: (line: string) => void,
  ends: Ends,
): Promise<readonly Row[]> => {
  await to.tally('reset')
  const crowd = await inProcess<CrowdResult>({ what: 'crowd', apps, forMs, port: to.port }, ends)
  const { latenciesMs, told } = await to.settled(quietMs)
  const { sent, sentWithDrain, stored, elapsedMs, hostMs, busMs, everySeconds, barePerSecond } = crowd
  const perSecond = (1_000 * sent) / elapsedMs
  log(`${apps} apps, a line every ${everySeconds.toFixed(1)} s each: ${sent} lines, ${stored} stored`)
  log(`  ${latenciesMs.length} of ${sentWithDrain} came to their drains, ${told} told as dropped`)
  const sorted = latenciesMs.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.floor(share * sorted.length)] ?? Number.NaN
  return [
    row({
      what: `${apps} apps that log slowly, one in five with a drain`,
      unit: 'lines/s',
      ours: perSecond,
      peers: { 'bare appends, each on disk': barePerSecond },
    }),
    row({ what: '  a line to its drain: p50', unit: 'ms', ours: at(0.5) }),
    row({ what: '  p99', unit: 'ms', ours: at(0.99) }),
    row({ what: '  CPU of the process', unit: 'us/line', ours: (1_000 * hostMs) / sent }),
    row({ what: '  CPU of nats-server', unit: 'us/line', ours: (1_000 * busMs) / sent }),
    row({ what: '  memory of the process', unit: 'MB', ours: crowd.residentBytes / mb }),
    row({
      what: '  lines lost: not stored, or not sent on',
      unit: 'lines',
      ours: Math.abs(sent - stored) + Math.abs(sentWithDrain - latenciesMs.length - told),
      goal: '<=0',
    }),
  ]
}

/** In a process of its own, so that nothing else is weighed. */
const inProcess = async <T>(job: Job, ends: Ends): Promise<T> => {
  const child = fork(join(import.meta.dirname, 'crowd-process.ts'), {
    execArgv: [...process.execArgv, '--expose-gc', '--max-old-space-size=4096'],
  })
  const ended = once(child, 'exit')
  const end = async (): Promise<void> => {
    if (child.connected) child.disconnect()
    if (child.exitCode === null && child.signalCode === null) await ended
  }
  await ends.up(Promise.resolve(child), end)
  child.send(job)
  const failed = ended.then(() => Promise.reject(new Error('the process of the crowd ended')))
  failed.catch(() => undefined)
  const [said] = (await Promise.race([once(child, 'message'), failed])) as [Result]
  await end()
  if ('failed' in said) throw new Error(said.failed)
  return said.result as T
}

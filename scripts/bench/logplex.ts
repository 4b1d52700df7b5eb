/**
 * `npm run bench -- logplex [flow|latency|idle|crowd]`: what log lines cost and how long they take, from a
 * dyno's output to a drain and a tail, beside rsyslog and syslog-ng; what channels weigh that are idle, and
 * ten thousand apps that each say little. Without a word all of it. Needs root.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startOwnPlatform } from './deploy/platform.ts'
import { measureCrowd, measureIdle } from './logplex/crowd.ts'
import { openEnds, type Ends } from './logplex/ends.ts'
import { measureFlow } from './logplex/flow.ts'
import { measureLatency } from './logplex/latency.ts'
import { startReceiver } from './logplex/receiving.ts'
import { loud, makeApps, quiet } from './logplex/site.ts'
import type { BenchOptions, Row } from './report.ts'

const parts = ['flow', 'latency', 'idle', 'crowd'] as const

export const run = async ({ quick, args, log }: BenchOptions): Promise<readonly Row[]> => {
  const unknown = args.filter((word) => !parts.some((part) => part === word))
  if (unknown.length > 0) throw new Error(`no part ${unknown.join(', ')}: there are ${parts.join(', ')}`)
  const wants = (part: (typeof parts)[number]): boolean => args.length === 0 || args.includes(part)
  const ends = openEnds()
  try {
    const rows: Row[] = []
    if (wants('flow') || wants('latency')) rows.push(...(await onSite(quick, wants, log, ends)))
    if (wants('idle')) rows.push(...(await measureIdle(quick ? 20_000 : 100_000, ends)))
    if (wants('crowd')) {
      const receiver = await ends.up(startReceiver(), (up) => up.close())
      const to = await receiver.open()
      rows.push(...(await measureCrowd(quick ? 1_000 : 10_000, quick ? 6_000 : 30_000, to, log, ends)))
    }
    return rows
  } finally {
    await ends.close()
  }
}

const onSite = async (
  isQuick: boolean,
  wants: (part: (typeof parts)[number]) => boolean,
  log: (line: string) => void,
  ends: Ends,
): Promise<readonly Row[]> => {
  const folder = mkdtempSync(join(tmpdir(), 'mf-logplex-'))
  await ends.up(Promise.resolve(folder), async () => rmSync(folder, { recursive: true, force: true }))
  const receiver = await ends.up(startReceiver(), (up) => up.close())
  const [loudTo, quietTo, peersTo] = [await receiver.open(), await receiver.open(), await receiver.open()]
  log('a platform of its own, with two apps')
  const platform = await ends.up(startOwnPlatform(), (up) => up.dispose())
  await makeApps(platform, { [loud]: loudTo, [quiet]: quietTo })
  const rows: Row[] = []
  if (wants('flow')) {
    const dynos = isQuick ? 2 : 4
    const bench = { platform, to: loudTo, peersTo, folder, dynos, linesEach: 70_000, ends, log }
    rows.push(...(await measureFlow(bench)))
  }
  if (wants('latency'))
    rows.push(
      ...(await measureLatency({ platform, loudTo, quietTo, forMs: isQuick ? 6_000 : 20_000, ends, log })),
    )
  return rows
}

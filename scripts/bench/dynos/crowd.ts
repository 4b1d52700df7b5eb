/**
 * A crowd of idle dynos on one host of a whole platform: what it takes to start them all, and what the host
 * process then costs while nothing happens.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { cpuMsOf } from '../deploy/cpu.ts'
import { startOwnPlatform, type OwnPlatform } from '../deploy/platform.ts'
import { row, type Row } from '../report.ts'
import { mb, residentBytes } from './memory.ts'
import { pushOwnApp, scaleTo } from './own-app.ts'

/** As many as a process type may have. */
const perAppMax = 100
/** Promised, not taken: an idle shell has a megabyte of the 512 that its size allows. */
const promisedMb = 512 * 1024
const startMsMax = 300_000

export const measureCrowd = async (
  count: number,
  watchMs: number,
  log: (line: string) => void,
): Promise<readonly Row[]> => {
  const platform = await startOwnPlatform({ MANIFOLD_DYNO_MEMORY_MB: String(promisedMb) })
  try {
    const before = residentBytes(platform.pid) / mb
    log(`host process: ${Math.round(before)} MB with no dyno`)
    const beganMs = performance.now()
    for (let left = count, at = 1; left > 0; left -= perAppMax, at++) {
      const app = `crowd-${at}`
      await pushOwnApp(platform, app, { Procfile: 'idle: exec sleep 86400\n' })
      await scaleTo(platform, app, 'idle', Math.min(left, perAppMax), startMsMax)
      log(`${count - Math.max(0, left - perAppMax)} dynos, ${Math.round(performance.now() - beganMs)} ms`)
    }
    const startMs = performance.now() - beganMs
    return [
      row({ what: `${count} dynos started, one push for each hundred`, unit: 's', ours: startMs / 1000 }),
      ...(await idleRows(platform, count, watchMs)),
    ]
  } finally {
    await platform.dispose()
  }
}

const idleRows = async (platform: OwnPlatform, count: number, watchMs: number): Promise<readonly Row[]> => {
  // What their start has left to do is not what is asked here.
  await pause(watchMs / 2)
  const cpuBeforeMs = { own: cpuMsOf(platform.pid, 'alone'), all: cpuMsOf(platform.pid) }
  const beganMs = performance.now()
  await pause(watchMs)
  const elapsedMs = performance.now() - beganMs
  const share = (ms: number): number => (100 * ms) / elapsedMs
  return [
    row({
      what: `host process with ${count} idle dynos: CPU`,
      unit: '% of a core',
      ours: share(cpuMsOf(platform.pid, 'alone') - cpuBeforeMs.own),
    }),
    row({
      what: '  and all that it started: routers, the bus, tools',
      unit: '% of a core',
      ours: share(cpuMsOf(platform.pid) - cpuBeforeMs.all),
    }),
    row({
      what: `host process with ${count} idle dynos: memory`,
      unit: 'MB',
      ours: residentBytes(platform.pid) / mb,
      goal: '<=150',
    }),
  ]
}

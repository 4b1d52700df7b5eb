/**
 * The site: a platform of its own with an app that talks much and a quiet one, each with a syslog drain to
 * the receiver.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { cpuMsOf } from '../deploy/cpu.ts'
import type { OwnPlatform } from '../deploy/platform.ts'
import { pushOwnApp, scaleTo } from '../dynos/own-app.ts'
import { bodiesText, talker } from './lines.ts'
import type { Port } from './receiving.ts'

export type Talk = {
  readonly dynos: number
  readonly linesEach: number
  /** Of each dyno; 0: as fast as it can. */
  readonly linesPerSecond: number
}
/** CPU time so far, of the processes that carry lines. */
export type Cpu = { readonly hostMs: number; readonly busMs: number; readonly keepersMs: number }

export const loud = 'loud'
export const quiet = 'quiet'
export const ticksEveryMs = 25

const startMsMax = 90_000
/** From the order to start dynos to their talk: by then they are up, and what started them rests. */
const leadMs = 8_000
const leadsMax = 6
const beforeMs = 500

const files = {
  Procfile: 'burst: exec python3 talk.py burst\nticks: exec python3 talk.py ticks\n',
  'talk.py': talker,
  bodies: bodiesText(),
}

export const makeApps = async (
  platform: OwnPlatform,
  drains: Readonly<Record<string, Port>>,
): Promise<void> => {
  for (const [app, { port }] of Object.entries(drains)) {
    await pushOwnApp(platform, app, files)
    await platform.api('POST', `/apps/${app}/log-drains`, { url: `syslog://127.0.0.1:${port}` })
  }
  await platform.api('PATCH', `/apps/${quiet}/config-vars`, { EVERY_MS: String(ticksEveryMs) })
}

/**
 * Has dynos of the loud app up that begin to talk all at once. @param about called shortly before they do
 * @returns what it returned
 */
export const talk = async <T>(
  platform: OwnPlatform,
  { dynos, linesEach, linesPerSecond }: Talk,
  about: (goAt: number) => Promise<T>,
): Promise<T> => {
  for (let tries = 1; ; tries++) {
    const goAt = Math.ceil((Date.now() + tries * leadMs) / 1000) * 1000
    await platform.api('PATCH', `/apps/${loud}/config-vars`, {
      GO: String(goAt / 1000),
      LINES: String(linesEach),
      RATE: String(linesPerSecond),
    })
    await scaleTo(platform, loud, 'burst', dynos, startMsMax)
    const leftMs = goAt - beforeMs - Date.now()
    try {
      if (leftMs > 0) {
        await pause(leftMs)
        return await about(goAt)
      }
    } finally {
      await scaleTo(platform, loud, 'burst', 0, startMsMax)
    }
    if (tries === leadsMax) throw new Error(`${dynos} dynos are not up within ${tries * leadMs} ms`)
  }
}

/** The host process, its nats-server, and the processes that write what dynos say to disk. */
export const cpuOf = ({ pid, home }: OwnPlatform): Cpu => {
  const ofAll = (pids: readonly string[]): number =>
    pids.reduce((sumMs, one) => sumMs + cpuMsOf(Number(one), 'alone'), 0)
  const servers = readdirSync('/proc').filter((name) => {
    const command = /^\d+$/.test(name) ? textOf(`/proc/${name}/cmdline`) : ''
    return /^\S*nats-server\0/.test(command) && command.includes(home)
  })
  const containers = join(home, 'containers')
  const keepers = readdirSync(containers).map((id) => textOf(join(containers, id, 'conmon.pid')))
  return { hostMs: cpuMsOf(pid, 'alone'), busMs: ofAll(servers), keepersMs: ofAll(keepers) }
}

/** Empty when it is gone, or never was. */
const textOf = (file: string): string => {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}

export const cpuSince = (before: Cpu, now: Cpu): Cpu => ({
  hostMs: now.hostMs - before.hostMs,
  busMs: now.busMs - before.busMs,
  keepersMs: now.keepersMs - before.keepersMs,
})

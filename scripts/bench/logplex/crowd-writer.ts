/**
 * Writes what a crowd of dynos says, in conmon's format, each at its own moment of the period. Ends with its
 * parent.
 */
import { openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { formatTime } from '../../../src/syslog/time.ts'

export type Write = {
  readonly folder: string
  readonly apps: number
  readonly drainEvery: number
  readonly everySeconds: number
  readonly forMs: number
}
export type Written = { readonly sent: number; readonly sentWithDrain: number }

const tickMs = 10
/** conmon's times have nanoseconds. */
const conmonTime = (us: number): string => formatTime(us).replace('+', '000+')

process.once('message', ({ folder, apps, drainEvery, everySeconds, forMs }: Write) => {
  const files = Array.from({ length: apps }, (_, at) => openSync(join(folder, `app-${at}`, 'log'), 'a'))
  const perMs = apps / (everySeconds * 1_000)
  const beganMs = performance.now()
  let sent = 0
  let sentWithDrain = 0
  const timer = setInterval(() => {
    const elapsedMs = Math.min(forMs, performance.now() - beganMs)
    for (; sent < Math.floor(elapsedMs * perMs); sent++) {
      const app = sent % apps
      const us = Math.round((performance.timeOrigin + performance.now()) * 1_000)
      writeSync(files[app]!, `${conmonTime(us)} stdout F ${'a line of one of many apps '.repeat(6)}@${us}\n`)
      if (app % drainEvery === 0) sentWithDrain++
    }
    if (elapsedMs < forMs) return
    clearInterval(timer)
    process.send?.({ sent, sentWithDrain } satisfies Written)
  }, tickMs)
})
process.on('SIGINT', () => undefined)
process.on('disconnect', () => process.exit())

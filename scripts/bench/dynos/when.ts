/** When a process ran, told by itself: no pipe, log or watcher between adds to it. */

/** For bash, which tells it to the microsecond. */
export const sayWhen = 'echo $EPOCHREALTIME'

/** Epoch milliseconds of what that printed. */
export const whenOf = (said: string): number => {
  const ms = Number(said.trim().split('\n')[0]) * 1000
  if (!(ms > 0)) throw new Error(`no time: ${said.trim()}`)
  return ms
}

/** Epoch milliseconds of now, as exactly. */
export const nowMs = (): number => performance.timeOrigin + performance.now()

/** The command in a shell, and nothing else. */
export const inBash = (command: string): readonly string[] => ['bash', '-c', command]

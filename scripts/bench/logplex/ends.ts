/**
 * Ends: what a bench has to take down again, in reverse order, however it ends; also while it is being put
 * up, and when the bench is interrupted.
 */
export type Ends = {
  /** Waits for it to be up; it is ended by `end`, or by `close` if that comes first. */
  readonly up: <T>(opening: Promise<T>, end: (opened: T) => Promise<void>) => Promise<T>
  readonly close: () => Promise<void>
}

export const openEnds = (): Ends => {
  const all: (() => Promise<void>)[] = []
  let closing: Promise<void> | undefined
  const closeAll = async (): Promise<void> => {
    for (let end = all.pop(); end !== undefined; end = all.pop()) await end()
  }
  const close = (): Promise<void> => (closing ??= closeAll())
  const interrupted = (): void => void close().finally(() => process.exit(130))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, interrupted)
  return {
    up: async (opening, end) => {
      if (closing !== undefined) throw new Error('interrupted')
      all.push(async () => {
        const opened = await opening.catch(() => undefined)
        if (opened !== undefined) await end(opened)
      })
      return await opening
    },
    close: async () => {
      await close()
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupted)
    },
  }
}

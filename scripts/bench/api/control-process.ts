/** The control host as a process: told where the bus is, it says its port; it ends with its parent. */
import { serveApi, type Served } from './control.ts'

export type Job = {
  readonly home: string
  readonly url: string
  readonly owner: { readonly id: string; readonly email: string }
  readonly operators: number
}
export type Ready = Omit<Served, 'close'> | { readonly failed: string }

let served: Served | undefined
process.on('SIGINT', () => undefined)
process.on('disconnect', () => {
  void Promise.resolve(served?.close()).finally(() => process.exit())
})
process.once('message', ({ home, url, owner, operators }: Job) => {
  serveApi(home, url, owner, operators).then(
    (up) => {
      served = up
      const { close: _, ...ready } = up
      process.send?.(ready satisfies Ready)
    },
    (error: unknown) => {
      const failed = error instanceof Error ? (error.stack ?? error.message) : 'unknown'
      process.send?.({ failed } satisfies Ready)
    },
  )
})

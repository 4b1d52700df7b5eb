/**
 * Ports of a state directory whose containers share the host's: below what the kernel gives to outgoing
 * connections, each as late again as it can be (rotation.ts).
 */
import { createServer } from 'node:net'
import { join } from 'node:path'

import { indexFirst, indexOfPort, nextIndex, outerPortOf } from './addresses.ts'
import { readIfAny, replaceFile } from './record.ts'
import { openRotation } from './rotation.ts'

export type Ports = {
  /**
   * One that nobody listens on and no container had lately. It comes again late, also when nobody takes it.
   * Rejects with `OCI_ADDRESSES` when none is left.
   */
  lend(): Promise<number>
  /** A container has it, until it is given back. */
  hold(port: number): void
  free(port: number): void
}

export const openPorts = (
  stateDir: string,
  rest: { readonly ms: number; readonly now: () => number },
): Ports => {
  const path = join(stateDir, 'ports')
  const cursor = Number(readIfAny(path) ?? Number.NaN)
  const rotation = openRotation({
    cursor: Number.isInteger(cursor) ? cursor : indexFirst - 1,
    after: nextIndex,
    keep: (last) => replaceFile(path, String(last)),
    rest,
    what: stateDir,
  })
  return {
    lend: async () => {
      for (;;) {
        const index = await rotation.next()
        // Who was lent it holds it when it starts; one that is somebody else's rests like a used one.
        rotation.free(index)
        const port = outerPortOf(index)
        if (await isFree(port)) return port
      }
    },
    hold: (port) => rotation.hold(indexOfPort(port)),
    free: (port) => rotation.free(indexOfPort(port)),
  }
}

/** Of one address and of all: a server on the one does not keep every system from giving the other away. */
const isFree = async (port: number): Promise<boolean> =>
  (await canListen(port, '127.0.0.1')) && (await canListen(port, undefined))

const canListen = (port: number, host: string | undefined): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host }, () => server.close(() => resolve(true)))
  })

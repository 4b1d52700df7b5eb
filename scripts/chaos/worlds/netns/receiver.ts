/**
 * The receiver of drains, where the lab's clients are: a program that a fault can kill, freeze or cut off.
 * What it took is in a file, which outlives it.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Frame } from '../../history.ts'
import type { Fault } from '../../language.ts'
import { command } from './command.ts'
import type { Machine } from './machine.ts'
import { clientAddress } from './network.ts'

export type Receiver = {
  readonly urlOf: (app: string) => string
  readonly hurt: (how: Extract<Fault, { readonly do: `receiver-${string}` }>['do']) => Promise<void>
  /** Every frame that it took, as it came. */
  readonly frames: () => readonly Frame[]
  /** Resolves when nothing has come for a while. */
  readonly quiet: () => Promise<void>
  readonly close: () => void
}

const port = 9_601
const quietMs = 8_000
const quietMsMax = 120_000
const lookMs = 500
const cutHook = 'type filter hook input priority 0'
const cutRules = `table inet cut {\n chain in {\n ${cutHook};\n tcp dport ${port} drop\n }\n}\n`

export const openReceiver = async (hub: Machine, file: string): Promise<Receiver> => {
  const program = fileURLToPath(import.meta.resolve('./receiver-program.ts'))
  const start = async (): Promise<ChildProcess> => {
    const [first = '', ...args] = hub.inside([process.execPath, program, clientAddress, String(port), file])
    const started = spawn(first, args, { stdio: ['pipe', 'pipe', 'inherit'], env: {} })
    await Promise.race([
      once(started.stdout, 'data'),
      once(started, 'exit').then(() => Promise.reject(new Error('the receiver ended at once'))),
    ])
    return started
  }
  let child: ChildProcess | undefined = await start()
  let [isFrozen, isCut] = [false, false]
  const frames = (): readonly Frame[] =>
    existsSync(file)
      ? readFileSync(file, 'utf8')
          .split('\n')
          .slice(0, -1)
          .map((line) => JSON.parse(line) as Frame)
      : []
  return {
    urlOf: (app) => `http://${clientAddress}:${port}/${app}`,
    hurt: async (how) => {
      switch (how) {
        case 'receiver-kill':
          child?.kill('SIGKILL')
          child = undefined
          return
        case 'receiver-freeze':
          isFrozen = child?.kill('SIGSTOP') === true
          return
        case 'receiver-cut':
          isCut = true
          await command(hub.inside(['nft', '-f', '-']), cutRules)
          return
        case 'receiver-mend':
          if (isCut) await command(hub.inside(['nft', 'delete', 'table', 'inet', 'cut']))
          if (isFrozen) child?.kill('SIGCONT')
          isCut = false
          isFrozen = false
          child ??= await start()
      }
    },
    frames,
    quiet: async () => {
      const began = performance.now()
      let [seen, since] = [frames().length, began]
      while (performance.now() - since < quietMs && performance.now() - began < quietMsMax) {
        await pause(lookMs)
        const now = frames().length
        if (now !== seen) [seen, since] = [now, performance.now()]
      }
    },
    close: () => void child?.kill('SIGKILL'),
  }
}

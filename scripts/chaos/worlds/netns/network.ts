/**
 * The lab's network: a bridge in a namespace of its own, where the clients are too, and one cable to each
 * machine. Faults are made on the bridge's side, where nothing that a machine does can undo them.
 *
 * Between machines packets are forwarded by the bridge, so its own firewall family cuts pairs one way or both
 * while clients still reach everybody; a pulled cable cuts a machine off from clients too.
 */
import { command } from './command.ts'
import type { Machine } from './machine.ts'

/** `loss`: 0 to 1. */
export type Slowness = { readonly delayMs: number; readonly loss: number }
export type Pair = { readonly from: string; readonly to: string }

export type Network = {
  readonly addressOf: (machine: string) => string
  readonly plug: (machine: Machine, index: number) => Promise<void>
  /** Removes the bridge's end of the cable of a machine that has no power. */
  readonly unplug: (machine: string) => Promise<void>
  /** Cables pulled, or put back, together. */
  readonly cable: (machines: readonly string[], state: 'up' | 'down') => Promise<void>
  /** What is dropped between machines from now on, each pair one way; an empty list heals all. */
  readonly drop: (pairs: readonly Pair[]) => Promise<void>
  /** Lateness of what goes to the machine, and loss both ways; undefined heals. */
  readonly slow: (machine: string, slowness: Slowness | undefined) => Promise<void>
}

const bridge = 'lab0'
export const clientAddress = '10.90.0.1'
const prefixBits = 16
const frameBytes = 1_500

/** @param hub the machine that holds the bridge */
export const openNetwork = async (hub: Machine): Promise<Network> => {
  const indexes = new Map<string, number>()
  const losses = new Map<string, number>()
  let dropped: readonly Pair[] = []
  const inHub = (argv: readonly string[], input?: string): Promise<string> => command(hub.inside(argv), input)
  await inHub(
    ['ip', '-batch', '-'],
    [
      `link add ${bridge} type bridge forward_delay 0`,
      `addr add ${clientAddress}/${prefixBits} dev ${bridge}`,
      `link set ${bridge} up`,
      '',
    ].join('\n'),
  )
  const indexOf = (machine: string): number => {
    const index = indexes.get(machine)
    if (index === undefined) throw new RangeError(`${machine} is not plugged in`)
    return index
  }
  const portOf = (machine: string): string => `port${indexOf(machine)}`
  const addressOf = (machine: string): string => `10.90.1.${indexOf(machine)}`
  const apply = async (): Promise<void> => {
    const cut = dropped.flatMap(({ from, to }) => {
      const [source, target] = [addressOf(from), addressOf(to)]
      return [
        `ip saddr ${source} ip daddr ${target} drop`,
        `arp saddr ip ${source} arp daddr ip ${target} drop`,
      ]
    })
    const lost = [...losses].flatMap(([machine, loss]) =>
      ['saddr', 'daddr'].map(
        (end) => `ip ${end} ${addressOf(machine)} numgen random mod 1000 < ${Math.round(loss * 1_000)} drop`,
      ),
    )
    await inHub(['nft', '-f', '-'], rules({ forward: [...cut, ...lost], input: lost, output: lost }))
  }
  return {
    addressOf,
    plug: async (machine, index) => {
      indexes.set(machine.name, index)
      const port = portOf(machine.name)
      await inHub(
        ['ip', '-batch', '-'],
        [
          `link add ${port} type veth peer name eth0 netns ${machine.init}`,
          `link set ${port} master ${bridge} up`,
          '',
        ].join('\n'),
      )
      await command(
        machine.inside(['ip', '-batch', '-']),
        [
          `addr add ${addressOf(machine.name)}/${prefixBits} dev eth0`,
          'link set eth0 up',
          `route add default via ${clientAddress}`,
          '',
        ].join('\n'),
      )
    },
    unplug: async (machine) => {
      const port = portOf(machine)
      await inHub(['ip', 'link', 'del', port]).catch(async (error: unknown) => {
        // The kernel takes it away with the machine's own end, and may have been faster.
        const left = await inHub(['ip', '-o', 'link', 'show'])
        if (left.includes(` ${port}@`)) throw error
      })
    },
    cable: async (machines, state) => {
      const lines = machines.map((machine) => `link set ${portOf(machine)} ${state}\n`)
      await inHub(['ip', '-batch', '-'], lines.join(''))
    },
    drop: (pairs) => {
      dropped = pairs
      return apply()
    },
    slow: async (machine, slowness) => {
      if (slowness === undefined) losses.delete(machine)
      else losses.set(machine, slowness.loss)
      await apply()
      await delay(inHub, portOf(machine), slowness?.delayMs ?? 0)
    },
  }
}

type Chains = Readonly<Record<'forward' | 'input' | 'output', readonly string[]>>

/** The whole table, replaced in one transaction. */
const rules = (chains: Chains): string => {
  const table = 'table bridge lab'
  const texts = Object.entries(chains).map(([hook, lines]) =>
    [`chain ${hook} {`, `type filter hook ${hook} priority 0; policy accept;`, ...lines, '}'].join('\n'),
  )
  return [table, `delete ${table}`, `${table} {`, ...texts, '}', ''].join('\n')
}

/**
 * Fixed delay by netem; where the kernel has none, a link so thin that a full frame takes that long, with a
 * queue of twice the delay.
 */
const delay = async (
  run: (argv: readonly string[]) => Promise<string>,
  device: string,
  delayMs: number,
): Promise<void> => {
  const shaped = / (netem|tbf) /.test(await run(['tc', 'qdisc', 'show', 'dev', device]))
  if (shaped) await run(['tc', 'qdisc', 'del', 'dev', device, 'root'])
  if (delayMs === 0) return
  const root = ['tc', 'qdisc', 'add', 'dev', device, 'root']
  await run([...root, 'netem', 'delay', `${delayMs}ms`]).catch((error: unknown) => {
    if (!(error instanceof Error && error.message.includes('kind is unknown'))) throw error
    const rate = `${Math.ceil((frameBytes * 8 * 1_000) / delayMs)}bit`
    return run([...root, 'tbf', 'rate', rate, 'burst', String(2 * frameBytes), 'latency', `${2 * delayMs}ms`])
  })
}

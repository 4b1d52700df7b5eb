/** What each fault does to the containers, and whom a target means. */
import { setTimeout as pause } from 'node:timers/promises'
import { connect } from '../../../../src/nats/connection.ts'
import { jetStream } from '../../../../src/nats/jetstream.ts'
import type { Host } from '../../../../src/client/answers/host.ts'
import type { Fault, Target } from '../../language.ts'
import { run } from './docker.ts'
import { busOf, type Site } from './site.ts'

export type Faults = {
  /** Hosts that clients and other hosts can reach now. */
  readonly reachable: () => readonly string[]
  /** Those of them whose host process was not killed. */
  readonly answering: () => readonly string[]
  /** As the first host that answers has them. */
  readonly hosts: () => Promise<readonly Host[]>
  readonly strike: (fault: Fault) => Promise<readonly string[]>
  readonly heal: () => Promise<void>
}

const stopMsMax = 180_000
const startMsMax = 60_000
const pollMs = 100
const hold = '/run/manifold-hold'
const table = 'inet chaos'
/** Whether it is there or not. */
const without = `table ${table}\ndelete table ${table}\n`

export const faultsOf = (site: Site): Faults => {
  const { names, container, docker } = site
  const off = new Set<string>()
  const frozen = new Set<string>()
  const apart = new Set<string>()
  const busOff = new Set<string>()
  const held = new Set<string>()
  let last: readonly string[] = []

  const reachable = (): readonly string[] =>
    names.filter((name) => !off.has(name) && !frozen.has(name) && !apart.has(name))
  const answering = (): readonly string[] => reachable().filter((name) => !held.has(name))
  const hosts = async (): Promise<readonly Host[]> => {
    for (const name of answering()) {
      const rows = await site
        .api(name)
        .call('hosts.list')
        .catch(() => undefined)
      if (rows !== undefined) return rows
    }
    return []
  }
  const viewLeader = async (): Promise<string> =>
    (await hosts()).find(({ leader }) => leader)?.name ?? names[0]!
  const storeLeader = async (): Promise<string> => {
    const up = names.filter((name) => !off.has(name) && !busOff.has(name))
    const urls = up.map((name) => `nats://172.30.251.2${name.slice(1)}:4222`)
    const connection = await connect({ urls, user: 'platform', password: site.password, host: 'chaos' })
    try {
      type Info = { readonly cluster?: { readonly leader?: string } }
      const { cluster } = await jetStream(connection).call<Info>('STREAM.INFO.KV_manifold', undefined)
      return names.find((name) => busOf(name) === cluster?.leader) ?? names[0]!
    } finally {
      await connection.close()
    }
  }
  const dynosOn = (name: string): number => site.dynos().filter(({ host }) => host === name).length
  const busiest = (among: readonly string[]): string =>
    among.toSorted((a, b) => dynosOn(b) - dynosOn(a))[0] ?? names.at(-1)!
  const named = async (the: Exclude<Target, string>['the']): Promise<readonly string[]> => {
    switch (the) {
      case 'all':
        return names
      case 'same':
        return last
      case 'rest':
        return names.filter((name) => !last.includes(name))
      case 'placement-leader':
        return [await viewLeader()]
      case 'store-leader':
        return [await storeLeader()]
      case 'busiest':
        return [busiest(names)]
      case 'bystander': {
        const leaders = [await viewLeader(), await storeLeader()]
        return [names.find((name) => !leaders.includes(name) && dynosOn(name) > 0) ?? names.at(-1)!]
      }
      case 'builder':
        throw new RangeError('nothing is compiled in this world')
      case 'half-and-more':
        return names.slice(-(Math.floor(names.length / 2) + 1))
      case 'minority': {
        const leader = await storeLeader()
        const count = Math.ceil(names.length / 2) - 1
        return [leader, ...names.filter((name) => name !== leader).slice(0, count - 1)]
      }
    }
  }

  const machines = (some: readonly string[]): readonly string[] =>
    some.flatMap((name) => [container(name), container(busOf(name))])
  const mend = async (): Promise<void> => {
    for (const name of apart) for (const service of [name, busOf(name)]) await site.rule(service, without)
    apart.clear()
  }
  const cut = async (some: readonly string[], way: 'both' | 'out' | 'in'): Promise<void> => {
    const rest = names.filter((name) => !some.includes(name))
    const others = rest.flatMap((name) => [site.address(name), `172.30.251.2${name.slice(1)}`]).join(', ')
    const chain = (hook: 'input' | 'output', end: 'saddr' | 'daddr'): string =>
      `chain ${hook} {\ntype filter hook ${hook} priority -300;\nip ${end} { ${others} } drop\n}`
    const chains = [
      ...(way === 'out' ? [] : [chain('input', 'saddr')]),
      ...(way === 'in' ? [] : [chain('output', 'daddr')]),
    ]
    for (const name of some) {
      for (const service of [name, busOf(name)])
        await site.rule(service, `${without}table ${table} {\n${chains.join('\n')}\n}\n`)
      apart.add(name)
    }
  }
  const start = async (some: readonly string[]): Promise<void> => {
    const dark = some.filter((name) => off.has(name))
    // A bus server that was killed alone stays down until it is meant.
    if (dark.length > 0) await docker('start', ...machines(dark))
    for (const name of some) {
      if (held.delete(name) && !off.has(name)) await site.exec(name, `rm -f ${hold}`)
      off.delete(name)
    }
  }
  const thaw = async (some: readonly string[]): Promise<void> => {
    const ice = some.filter((name) => frozen.delete(name))
    if (ice.length > 0) await docker('unpause', ...machines(ice))
  }
  const startBus = async (some: readonly string[]): Promise<void> => {
    const down = some.filter((name) => busOff.delete(name)).map((name) => container(busOf(name)))
    if (down.length > 0) await docker('start', ...down)
  }
  const answered = async (name: string): Promise<void> => {
    const deadline = performance.now() + startMsMax
    for (;;) {
      const rows = await site
        .api(name)
        .call('hosts.list')
        .catch(() => undefined)
      if (rows !== undefined) return
      if (performance.now() > deadline) throw new Error(`${name} does not answer after its start`)
      await pause(pollMs)
    }
  }
  const say = async (command: string, some: readonly string[]): Promise<void> => {
    const [from = names[0]!] = answering()
    for (const name of some) await site.exec(from, `manifold ${command} ${name}`)
  }
  const each = (some: readonly string[], act: (name: string) => Promise<unknown>): Promise<unknown> =>
    Promise.all(some.map(act))

  const hit = async (fault: Fault, some: readonly string[]): Promise<void> => {
    switch (fault.do) {
      case 'kill':
        await each(some, (name) => site.exec(name, `touch ${hold}; kill -9 $(cat /run/manifold-host.pid)`))
        for (const name of some) held.add(name)
        return
      case 'power-off':
        for (const name of some) off.add(name)
        await docker('kill', ...machines(some))
        return
      case 'start':
        return start(some)
      case 'freeze':
        for (const name of some) frozen.add(name)
        await docker('pause', ...machines(some))
        return
      case 'thaw':
        return thaw(some)
      case 'cut':
        return cut(some, fault.way)
      case 'mend':
        return mend()
      case 'bus-kill':
        for (const name of some) busOff.add(name)
        await docker('kill', ...some.map((name) => container(busOf(name))))
        return
      case 'bus-start':
        return startBus(some)
      case 'drain':
        return say('hosts:drain', some)
      case 'undrain':
        return say('hosts:undrain', some)
      case 'upgrade':
        await each(some, async (name) => {
          const stop = ['docker', 'stop', '--time', '150', container(name)]
          off.add(name)
          await run(stop, { timeoutMs: stopMsMax })
          await docker('start', container(name))
          await answered(name)
          off.delete(name)
        })
        return
      case 'rollback':
      case 'slow-link':
      case 'router-kill':
      case 'router-freeze':
      case 'router-thaw':
      case 'bus-freeze':
      case 'bus-thaw':
      case 'receiver-kill':
      case 'receiver-freeze':
      case 'receiver-cut':
      case 'receiver-mend':
      case 'disk-full':
      case 'disk-free':
      case 'disk-slow':
      case 'disk-fast':
      case 'clock-jump':
      case 'replay':
        throw new RangeError(`${fault.do} is not of the compose world`)
    }
  }
  return {
    reachable,
    answering,
    hosts,
    async strike(fault) {
      const target = 'on' in fault ? fault.on : names[0]!
      const some =
        fault.do === 'mend' ? [...apart] : typeof target === 'string' ? [target] : await named(target.the)
      last = some
      await hit(fault, some)
      await site.look()
      return some
    },
    async heal() {
      await thaw([...frozen])
      await mend()
      await start([...off, ...held])
      await startBus([...busOff])
      await site.look()
    },
  }
}

/**
 * A bus of several servers with the membership of many hosts on it and nothing else: hosts stand still, die
 * and come back, links break one way or both, servers die or lose each other. Watches all the time that what
 * the membership promises holds; everything follows from the seed.
 */
import type { Members, MemberInfo, Membership } from '../../src/membership/contract.ts'
import { noView } from '../../src/membership/follower.ts'
import { followMembership } from '../../src/membership/follow.ts'
import { openMembership, type MembershipPorts } from '../../src/membership/membership.ts'
import { timesDefault } from '../../src/membership/times.ts'
import { decodeSaid, topics } from '../../src/membership/wire.ts'
import type { Transport } from '../../src/ports/transport.ts'
import { virtualClock } from '../../src/sim/clock.ts'
import { createGate, type Gate } from '../../src/sim/gate.ts'
import { seededRandom } from '../../src/sim/random.ts'

type Life = {
  readonly name: string
  readonly info: MemberInfo
  readonly gate: Gate
  readonly topics: Map<string, ((body: Uint8Array, from: string) => void)[]>
  members: Members | undefined
  server: string | undefined
  onConnection: (isUp: boolean) => void
  /** Until when it believes to hold its lease. */
  heldUntilMs: number
  isFenced: boolean
  isAlive: boolean
  brokenSinceMs: number | undefined
  /** When its server last reached more than half of all. */
  reachedMs: number
  /** The view it followed before this one. */
  before: Membership
  seen: Membership
  /** Of the view that it published last. */
  number: number
}

export type LabOptions = {
  readonly servers?: readonly string[]
  /** Of a message, in [0, 1]. */
  loss?: number
  delayMsMax?: number
  /** How often the bus says that a connection ended. */
  hints?: number
}

/** As the bus notices a link that carries nothing any more, and a client finds another server. */
const noticeMs = 2_500
const reconnectMs = [50, 800] as const
/** What a host needs to stop what must not run twice: less between fence and death is a breach. */
const stopMsMin = 2_000
/** A proof of connection is as old as the silence that makes a suspect, and what was on its way. */
const proofMsMax = 2_000

export const membershipLab = (seed: number, options: LabOptions = {}) => {
  const random = seededRandom(seed)
  const clock = virtualClock()
  const names = options.servers ?? ['n1']
  const servers = new Set(names)
  const cutRoutes = new Set<string>()
  const cutLinks = new Map<string, { out: boolean; in: boolean }>()
  const lives = new Map<string, Life>()
  const incarnations = new Map<string, number>()
  const ended: Life[] = []
  const breaches: string[] = []
  const log: string[] = []
  let deaths = 0
  let slackMsMin = Number.POSITIVE_INFINITY

  const note = (text: string): void => void log.push(`${clock.monotonicMs().toFixed(0)} ${text}`)
  const breach = (text: string): void => {
    note(`BREACH ${text}`)
    breaches.push(`${clock.monotonicMs().toFixed(0)} ${text}`)
  }
  const routeOf = (a: string, b: string): string => (a < b ? `${a}-${b}` : `${b}-${a}`)
  const joined = (a: string, b: string): boolean => a === b || !cutRoutes.has(routeOf(a, b))
  const canSend = (life: Life): boolean => life.server !== undefined && cutLinks.get(life.name)?.out !== true
  const canHear = (life: Life): boolean => life.server !== undefined && cutLinks.get(life.name)?.in !== true

  const carry = (from: Life, to: Life, arrive: () => void): void => {
    const [via, at] = [from.server, to.server]
    if (via === undefined || at === undefined || !joined(via, at)) return
    if (random.chance(options.loss ?? 0)) return
    clock.after(0.1 + random.next() * (options.delayMsMax ?? 1), () => {
      if (to.isAlive && to.server === at && canHear(to)) to.gate.pass(() => to.isAlive && arrive())
    })
  }

  const transportOf = (life: Life): Transport => ({
    batchBytesMax: 1_000_000,
    send: (host, _, unreachable) => {
      const to = lives.get(host)
      if (!canSend(life) || life.server === undefined) return
      const isThere = to?.server !== undefined && joined(life.server, to.server)
      if (isThere || unreachable === undefined) return
      clock.after(1, () => canHear(life) && life.gate.pass(() => life.isAlive && unreachable()))
    },
    listen: () => undefined,
    publish: (topic, body) => {
      if (!life.isAlive || !canSend(life)) return
      const copy = body.slice()
      if (topic === topics.view) published(life, copy)
      for (const to of lives.values())
        for (const hear of to.topics.get(topic) ?? []) carry(life, to, () => hear(copy, life.name))
    },
    subscribe: (topic, onBody) => {
      life.topics.set(topic, [...(life.topics.get(topic) ?? []), onBody])
      const without = (): void =>
        void life.topics.set(
          topic,
          life.topics.get(topic)!.filter((one) => one !== onBody),
        )
      return { close: without }
    },
    connected: () => life.server !== undefined,
    onConnection: (changed) => {
      life.onConnection = changed
    },
    close: () => Promise.resolve(),
  })

  /** The promise: who is declared dead had long stopped what must not run twice. */
  const published = (by: Life, body: Uint8Array): void => {
    const said = decodeSaid(body)
    if (said?.op !== 'view' || !said.leads || said.view.number <= by.number) return
    by.number = said.view.number
    const nowMs = clock.monotonicMs()
    const before = new Map(by.before.members.map((member) => [member.name, member]))
    for (const { name, state, incarnation } of said.view.members) {
      if (state !== 'dead' || before.get(name)?.state === 'dead') continue
      deaths++
      if (nowMs - by.reachedMs > proofMsMax) breach(`${by.name} declares ${name} dead and is cut off itself`)
      for (const life of [...lives.values(), ...ended]) {
        if (life.name !== name || life.info.incarnation !== incarnation) continue
        const slackMs = nowMs - life.heldUntilMs
        slackMsMin = Math.min(slackMsMin, slackMs)
        note(`${by.name} declares ${name}#${incarnation} dead, ${slackMs.toFixed(0)} ms after its lease`)
        if (slackMs < stopMsMin)
          breach(`${by.name} declares ${name} dead ${slackMs.toFixed(0)} ms after its lease`)
      }
    }
    if (said.view.number < by.before.number) breach(`${by.name} counts back to ${said.view.number}`)
  }

  const attach = (life: Life): void => {
    if (!life.isAlive || life.server !== undefined) return
    const link = cutLinks.get(life.name)
    const found = [...servers]
    if (found.length === 0 || link?.in === true || link?.out === true) {
      clock.after(random.between(...reconnectMs), () => attach(life))
      return
    }
    const own = `n${life.name}`
    const server = found.includes(own) ? own : random.pick(found)
    life.server = server
    life.gate.pass(() => {
      if (!life.isAlive || life.server !== server) return
      life.members?.change({ server })
      life.onConnection(true)
    })
  }
  const detach = (life: Life): void => {
    const { server } = life
    if (server === undefined) return
    life.server = undefined
    life.brokenSinceMs = undefined
    if (life.isAlive) life.gate.pass(() => life.isAlive && life.onConnection(false))
    if (random.chance(options.hints ?? 1)) hint(life.name, server)
    clock.after(random.between(...reconnectMs), () => attach(life))
  }
  const hint = (name: string, server: string): void => {
    for (const other of lives.values()) {
      if (other.name === name || !canHear(other) || !joined(server, other.server!)) continue
      clock.after(5, () => other.gate.pass(() => other.isAlive && other.members?.disconnected(name)))
    }
  }
  const reachesMost = ({ server }: Life): boolean =>
    server !== undefined &&
    names.filter((name) => servers.has(name) && joined(server, name)).length * 2 > names.length
  /** A link that carries nothing is noticed in the end, on both sides. */
  const watchLink = (life: Life): void => {
    if (!life.isAlive) return
    if (reachesMost(life)) life.reachedMs = clock.monotonicMs()
    const link = cutLinks.get(life.name)
    const isBroken = link !== undefined && (link.in || link.out)
    if (!isBroken) life.brokenSinceMs = undefined
    else life.brokenSinceMs ??= clock.monotonicMs()
    if (life.brokenSinceMs !== undefined && clock.monotonicMs() - life.brokenSinceMs > noticeMs) detach(life)
    // What the host itself promises: once its lease is over it says so, within a beat.
    const isLate = clock.monotonicMs() > life.heldUntilMs + 2 * timesDefault.beatMs
    if (isLate && !life.isFenced && !life.gate.frozen()) breach(`${life.name} is not fenced`)
    clock.after(100, () => watchLink(life))
  }

  /** A host with a server of its own goes back to it. */
  const comeHome = (server: string): void => {
    const life = lives.get(server.slice(1))
    if (life === undefined || life.server === server) return
    clock.after(random.between(...reconnectMs), () => servers.has(server) && detach(life))
  }

  const born = (name: string, roles: readonly string[], incarnation: number): Life => {
    const up = [...servers]
    const own = `n${name}`
    const link = cutLinks.get(name)
    const isCut = link?.in === true || link?.out === true
    const server = isCut || up.length === 0 ? undefined : up.includes(own) ? own : random.pick(up)
    const life: Life = {
      name,
      info: {
        name,
        incarnation,
        roles,
        address: `10.0.0.${name}`,
        labels: { zone: name },
        version: '1.0.0',
        protocol: 1,
        draining: false,
        server: server ?? '',
      },
      gate: createGate(),
      topics: new Map(),
      members: undefined,
      server,
      onConnection: () => undefined,
      heldUntilMs: clock.monotonicMs() + timesDefault.fenceMs,
      isFenced: false,
      isAlive: true,
      brokenSinceMs: undefined,
      reachedMs: clock.monotonicMs(),
      before: noView,
      seen: noView,
      number: 0,
    }
    lives.set(name, life)
    if (server === undefined) attach(life)
    return life
  }
  const portsOf = (life: Life): MembershipPorts => ({
    clock: clock.forHost(life.gate, () => 0),
    transport: transportOf(life),
    log: (fields) => note(`${life.name} ${JSON.stringify(fields)}`),
  })

  const start = (name: string, roles = ['control', 'dyno'], incarnation = nextLife(name)): void => {
    if (lives.has(name)) return
    incarnations.set(name, incarnation)
    note(`${name} starts`)
    const life = born(name, roles, incarnation)
    const members = openMembership(portsOf(life), life.info, {
      serversMin: () => (names.length > 1 ? Math.floor(names.length / 2) + 1 : 1),
    })
    life.members = members
    members.onFence((isFenced) => {
      life.isFenced = isFenced
    })
    members.onLease((untilMs) => {
      life.heldUntilMs = untilMs
    })
    members.onChange((view) => {
      life.before = life.seen
      life.seen = view
      const states = view.members.map((one) => `${one.name}:${one.state}`).join(' ')
      note(`${name} follows ${view.number} of ${view.leader}${view.braked ? ' braked' : ''}: ${states}`)
    })
    watchLink(life)
  }
  const nextLife = (name: string): number => (incarnations.get(name) ?? 0) + 1
  const end = (name: string): void => {
    const life = lives.get(name)
    if (life === undefined) return
    note(`${name} ends`)
    const { server } = life
    life.isAlive = false
    life.gate.end()
    life.server = undefined
    lives.delete(name)
    ended.push(life)
    if (server !== undefined && random.chance(options.hints ?? 1)) hint(name, server)
  }

  return {
    random,
    clock,
    breaches,
    log,
    start,
    /** A process that is no host, and only follows. */
    follow: (name: string) => followMembership(portsOf(born(name, [], 0))),
    /** As kill -9. */
    kill: end,
    names: () => [...lives.keys()],
    isFrozen: (name: string) => lives.get(name)?.gate.frozen() === true,
    freeze: (name: string) => {
      note(`${name} stands still`)
      lives.get(name)?.gate.freeze()
    },
    thaw: (name: string) => {
      note(`${name} goes on`)
      lives.get(name)?.gate.thaw()
    },
    link: (name: string, cut: { readonly out: boolean; readonly in: boolean }) => {
      note(`${name} link cut ${JSON.stringify(cut)}`)
      cutLinks.set(name, cut)
    },
    route: (a: string, b: string, isCut: boolean) => {
      note(`route ${a} ${b} ${isCut ? 'cut' : 'healed'}`)
      if (isCut) cutRoutes.add(routeOf(a, b))
      else cutRoutes.delete(routeOf(a, b))
    },
    killServer: (server: string) => {
      note(`server ${server} ends`)
      servers.delete(server)
      for (const life of lives.values()) if (life.server === server) detach(life)
    },
    startServer: (server: string) => {
      note(`server ${server} starts`)
      servers.add(server)
      comeHome(server)
    },
    serversUp: () => [...servers],
    faults: (next: LabOptions) => void Object.assign(options, next),
    heal: () => {
      note('healed')
      cutLinks.clear()
      cutRoutes.clear()
      for (const server of names) {
        servers.add(server)
        comeHome(server)
      }
      for (const life of lives.values()) if (life.gate.frozen()) life.gate.thaw()
    },
    members: (name: string): Members => lives.get(name)!.members!,
    view: (name: string): Membership => lives.get(name)!.members!.view(),
    /** `up` or whatever else a host's view says of another. */
    state: (by: string, name: string): string | undefined =>
      lives
        .get(by)!
        .members!.view()
        .members.find((one) => one.name === name)?.state,
    isFenced: (name: string): boolean => lives.get(name)!.isFenced,
    deaths: () => deaths,
    /** The shortest time between the end of a host's own lease and its death elsewhere. */
    slackMsMin: () => slackMsMin,
    nowMs: () => clock.monotonicMs(),
    /** @returns ms until it was so; undefined when it was not within that time */
    until: (probe: () => boolean, withinMs: number): number | undefined => {
      const startMs = clock.monotonicMs()
      const limitMs = clock.now() + withinMs
      while (!probe()) if (!clock.step(limitMs)) return undefined
      return clock.monotonicMs() - startMs
    },
    run: (ms: number): void => {
      const limitMs = clock.now() + ms
      while (clock.step(limitMs));
      clock.advanceTo(limitMs)
    },
  }
}
export type MembershipLab = ReturnType<typeof membershipLab>
